//! Which threads come first where there are fewer processors than work.

use std::cell::Cell;

/// So much the kernel prefers the threads that serve connections: about three times the processor time of one of these, when both
/// want all of it. Twice as much (10) was no better (docs/performance.md).
#[cfg(target_os = "linux")]
const BEHIND: i32 = 5;

thread_local! {
    static LOWERED: Cell<bool> = const { Cell::new(false) };
}

/// Lets the threads that serve connections come before this one, for as long as it lives: it works for one call at a time, and those
/// for all of them, the refused ones too. Four reads of the store on one core left them a fifth of it.
pub(crate) fn work_behind_connections() {
    if LOWERED.replace(true) {
        return;
    }
    // Elsewhere a thread has no priority of its own, and the whole process would be put back.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(BEHIND) {
        tracing::debug!(%error, "a thread keeps its priority");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_the_thread_that_asks_is_put_back_and_only_once() {
        let own = || rustix::process::getpriority_process(None).expect("it is told");
        let before = own();
        let other = std::thread::spawn(move || {
            work_behind_connections();
            work_behind_connections();
            own()
        });
        // As far as there is lower to go.
        assert_eq!(other.join().expect("no panic"), (before + BEHIND).min(19));
        assert_eq!(own(), before);
    }
}
