//! The budget of one document: limits, a count of the work done, and a check that its result is still wanted.

use std::cell::Cell;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::document::Limits;
use super::error::ExtractError;

/// Steps between two checks of the clock and of the caller. A step takes about 50 ns, so a check comes every fraction
/// of a millisecond and costs less than a thousandth of the work.
const CHECK_INTERVAL: u64 = 4_096;
/// Bytes read or copied that count as one step.
const BYTES_PER_STEP: usize = 32;

/// The budget of one document.
///
///
/// Work is counted in steps: one for each node, line or value visited, and one for every 32 bytes of text read or
/// copied. Steps do not depend on the machine, so every machine accepts or rejects the same documents. CPU time is
/// limited as well, for work inside libraries that no step counts.
pub struct Budget<'a> {
    /// The limits that hold while parsing.
    pub limits: &'a Limits,
    is_abandoned: &'a dyn Fn() -> bool,
    steps: Cell<u64>,
    max_steps: Cell<u64>,
    next_check: Cell<u64>,
    start: Duration,
}

impl<'a> Budget<'a> {
    /// Creates the budget of a document that is extracted on this thread. `is_abandoned` returns true once nobody
    /// waits for the result: the caller has disconnected, or its deadline has passed.
    pub fn new(limits: &'a Limits, is_abandoned: &'a dyn Fn() -> bool) -> Self {
        Self {
            limits,
            is_abandoned,
            steps: Cell::new(0),
            max_steps: Cell::new(limits.base_steps),
            next_check: Cell::new(CHECK_INTERVAL),
            start: cpu_time(),
        }
    }

    /// Creates a budget whose result is always wanted.
    pub fn unattended(limits: &'a Limits) -> Self {
        Self::new(limits, &|| false)
    }

    /// Returns the steps taken so far.
    pub fn steps(&self) -> u64 {
        self.steps.get()
    }

    /// Raises the maximum in proportion to the decompressed size of the document, in bytes.
    pub(super) fn set_document_size(&self, bytes: usize) {
        let by_size = (bytes as u64).saturating_mul(self.limits.steps_per_byte);
        self.max_steps.set(self.limits.base_steps.saturating_add(by_size));
    }

    /// Counts steps.
    ///
    ///
    /// # Errors
    /// [`ExtractError::TooComplex`] beyond the maximum of steps or of CPU time, [`ExtractError::Abandoned`] when the
    /// result is no longer wanted.
    pub(super) fn spend(&self, steps: u64) -> Result<(), ExtractError> {
        let spent = self.steps.get().saturating_add(steps);
        self.steps.set(spent);
        if spent > self.max_steps.get() {
            return Err(ExtractError::TooComplex { limit: "steps of work", max: self.max_steps.get() });
        }
        if spent < self.next_check.get() {
            return Ok(());
        }
        self.next_check.set(spent + CHECK_INTERVAL);
        self.check()
    }

    /// Counts one step.
    pub(super) fn step(&self) -> Result<(), ExtractError> {
        self.spend(1)
    }

    /// Counts the reading or copying of text, and one step for the call.
    pub(super) fn read(&self, bytes: usize) -> Result<(), ExtractError> {
        self.spend(steps_of(bytes))
    }

    /// Checks CPU time and the caller. Called between the steps of libraries, which count nothing.
    pub(super) fn check(&self) -> Result<(), ExtractError> {
        if (self.is_abandoned)() {
            return Err(ExtractError::Abandoned);
        }
        if cpu_time().saturating_sub(self.start) > self.limits.max_cpu {
            let max = u64::try_from(self.limits.max_cpu.as_millis()).unwrap_or(u64::MAX);
            return Err(ExtractError::TooComplex { limit: "milliseconds of CPU time", max });
        }
        Ok(())
    }
}

/// Returns the number of steps for reading a text.
pub(super) fn steps_of(bytes: usize) -> u64 {
    (bytes / BYTES_PER_STEP + 1) as u64
}

/// Returns the CPU time that this thread has used.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_work_than_the_size_allows_is_rejected() {
        let limits = Limits { base_steps: 100, steps_per_byte: 2, ..Limits::default() };
        let budget = Budget::unattended(&limits);
        budget.set_document_size(50);
        assert_eq!(budget.spend(200), Ok(()));
        assert_eq!(budget.step(), Err(ExtractError::TooComplex { limit: "steps of work", max: 200 }));
    }

    #[test]
    fn work_stops_when_its_result_is_not_wanted() {
        let limits = Limits::default();
        let gone = Cell::new(false);
        let is_abandoned = || gone.get();
        let budget = Budget::new(&limits, &is_abandoned);
        assert_eq!(budget.spend(CHECK_INTERVAL), Ok(()));
        gone.set(true);
        assert_eq!(budget.spend(CHECK_INTERVAL), Err(ExtractError::Abandoned));
    }

    #[test]
    fn cpu_time_is_bounded() {
        let limits = Limits { max_cpu: Duration::ZERO, ..Limits::default() };
        let max = Err(ExtractError::TooComplex { limit: "milliseconds of CPU time", max: 0 });
        let budget = Budget::unattended(&limits);
        assert_eq!(std::iter::repeat_with(|| budget.check()).find(Result::is_err), Some(max));
    }
}
