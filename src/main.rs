//! The command `copydesk`.

fn main() -> std::process::ExitCode {
    copydesk::cli::main()
}
