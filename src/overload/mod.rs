//! Admission control and load shedding: bounded queues, limits of concurrency, fair sharing between callers.

pub(crate) mod admission;
pub(crate) mod caller;
pub(crate) mod codel;
pub(crate) mod concurrency_limit;
pub(crate) mod thread_priority;
