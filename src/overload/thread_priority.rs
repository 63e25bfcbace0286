//! Thread priorities, for hosts with less processor time than work.

use std::cell::Cell;

/// Nice value of worker threads. Threads that serve connections get about three times the processor time when both are
/// busy. Twice this value (10) was no better (docs/performance.md).
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

thread_local! {
    static LOWERED: Cell<bool> = const { Cell::new(false) };
}

/// Lowers the priority of this thread for its lifetime, below the threads that serve connections: it works for one call
/// at a time, and they work for all calls, including rejected ones. Four store reads on one core left them a fifth of
/// it.
pub(crate) fn lower_thread_priority() {
    if LOWERED.replace(true) {
        return;
    }
    // On other systems the nice value applies to the whole process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "thread priority not lowered");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_the_thread_that_asks_is_put_back_and_only_once() {
        let own = || rustix::process::getpriority_process(None).expect("priority is readable");
        let before = own();
        let other = std::thread::spawn(move || {
            lower_thread_priority();
            lower_thread_priority();
            own()
        });
        // 19 is the lowest priority.
        assert_eq!(other.join().expect("no panic"), (before + NICE).min(19));
        assert_eq!(own(), before);
    }
}
