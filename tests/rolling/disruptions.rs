//! Disruptions of the replicas during the load.

use std::time::{Duration, Instant};

use crate::fleet::{Fleet, REPLICAS};
use crate::tally::{Phase, Tally};

/// Maximum time until a joining replica has its share of the load.
const JOINED: Duration = Duration::from_secs(10);
/// Window in which calls are counted.
const WINDOW: Duration = Duration::from_millis(500);
/// Calm before and after.
const CALM: Duration = Duration::from_secs(1);

/// Restarts replicas in turn while there is time, then kills one and freezes one. The last two take a third of the
/// time.
pub async fn happen(fleet: &mut Fleet, tally: &Tally, duration: Duration) {
    let began = Instant::now();
    tokio::time::sleep(CALM).await;
    loop {
        for at in 0..REPLICAS {
            let took = fleet.stop(at).await;
            fleet.begin(at).await;
            tally.restarted();
            let joined = joins(fleet, tally, at).await;
            tally.note(format!("replica {at} restarted: stopped in {:.1} s; {joined}", took.as_secs_f64()));
        }
        if began.elapsed() >= duration * 2 / 3 {
            break;
        }
    }
    tokio::time::sleep(CALM).await;

    tally.begin(Phase::Kill);
    fleet.kill(0);
    tokio::time::sleep(CALM).await;
    fleet.begin(0).await;
    let joined = joins(fleet, tally, 0).await;
    tally.note(format!("replica 0 killed, and started 1 s later: {joined}"));
    tokio::time::sleep(CALM).await;

    tally.begin(Phase::Freeze);
    let frozen = (duration / 6).clamp(Duration::from_secs(3), Duration::from_secs(10));
    fleet.freeze(1);
    tokio::time::sleep(frozen).await;
    fleet.thaw(1);
    let joined = joins(fleet, tally, 1).await;
    tally.note(format!("replica 1 frozen for {:.1} s: {joined}", frozen.as_secs_f64()));
    tokio::time::sleep(CALM).await;
}

/// Waits until a new replica has at least half of its fair share of calls. Returns a description of each replica's
/// share.
async fn joins(fleet: &Fleet, tally: &Tally, at: usize) -> String {
    let began = Instant::now();
    let mut before = fleet.calls().await;
    loop {
        tokio::time::sleep(WINDOW).await;
        let after = fleet.calls().await;
        let had: Vec<u64> = (0..REPLICAS).map(|at| after[at].saturating_sub(before[at])).collect();
        let all = had.iter().sum::<u64>().max(1);
        let shares = had.iter().map(|had| format!("{}%", had * 100 / all)).collect::<Vec<_>>().join(" ");
        let took = began.elapsed();
        if had[at] * 2 * REPLICAS as u64 >= all && had[at] > 0 {
            return format!("load is spread {shares} after {:.1} s", took.as_secs_f64());
        }
        if took > JOINED {
            tally.broken(format!("replica {at} joined, but load is spread {shares} after {} s", took.as_secs()));
            return format!("load is not spread: {shares}");
        }
        before = after;
    }
}
