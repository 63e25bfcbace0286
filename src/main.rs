//! Command-line program `copydesk`.

/// Replaces the system allocator, which took 2.2 of 26.5 µs of a read from Redis and 5.7 of 66 µs of a miss
/// (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    copydesk::cli::main()
}
