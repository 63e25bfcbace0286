//! Random histories, during which the standby pauses and resumes.

use std::time::Instant;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;

/// Step of a random history.
#[derive(Clone, Copy, Debug)]
enum Step {
    Write,
    Replay(bool),
    /// A read of this kind: within the bound, by the token of an earlier edition (the number of editions back), or
    /// fully consistent.
    Read(usize, Asked),
    /// A pause, in hundredths of the bound.
    Rest(u32),
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Bounded,
    AtLeast(usize),
    Full,
}

fn step() -> impl Strategy<Value = Step> {
    let required =
        prop_oneof![4 => Just(Asked::Bounded), 3 => (0..3_usize).prop_map(Asked::AtLeast), 1 => Just(Asked::Full)];
    prop_oneof![
        3 => Just(Step::Write),
        2 => any::<bool>().prop_map(Step::Replay),
        8 => (0..KINDS, required).prop_map(|(kind, required)| Step::Read(kind, required)),
        2 => (1..60_u32).prop_map(Step::Rest),
    ]
}

/// No read is older than the bound or its token, for any writes and any lag of the standby.
#[test]
fn no_read_is_older_than_its_bound_or_token() {
    const BOUND: Duration = Duration::from_millis(400);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pair = runtime.block_on(Pair::start(BOUND));
    let store = pair.store();
    // Each edition's position, and the time of its response.
    let editions = std::sync::Mutex::new(Vec::<(Position, Instant)>::new());
    let config = ProptestConfig { cases: 24, failure_persistence: None, max_shrink_iters: 0, ..Default::default() };
    let run = async |steps: &[Step]| {
        for step in steps {
            match *step {
                Step::Write => {
                    let number = editions.lock().unwrap().len() as i64 + 1;
                    let position = edition(&store, number).await;
                    editions.lock().unwrap().push((position, Instant::now()));
                }
                Step::Replay(on) => pair.replay(on).await,
                Step::Rest(part) => tokio::time::sleep(BOUND * part / 100).await,
                Step::Read(kind, required) => {
                    let written = editions.lock().unwrap().clone();
                    let began = Instant::now();
                    // Editions whose responses are older than the bound by now.
                    let settled = written.iter().filter(|(_, answered)| *answered + BOUND <= began).count();
                    let (consistency, least) = match required {
                        Asked::Bounded => (Consistency::Bounded, settled),
                        Asked::AtLeast(back) => match written.len().checked_sub(back + 1) {
                            Some(at) => (Consistency::AtLeast(written[at].0), settled.max(at + 1)),
                            None => (Consistency::Bounded, settled),
                        },
                        Asked::Full => (Consistency::Full, written.len()),
                    };
                    let seen = read(&store, kind, consistency).await;
                    assert!(seen >= least as i64, "{step:?} shows {seen}, and {least} was due");
                    assert!(seen <= written.len() as i64, "{step:?} shows {seen} of {}", written.len());
                }
            }
        }
    };
    let checked = TestRunner::new(config).run(&prop::collection::vec(step(), 10..60), |steps| {
        runtime.block_on(run(&steps));
        Ok(())
    });
    checked.unwrap_or_else(|failure| panic!("{failure}"));
    let metrics = pair.standbys.metrics();
    println!(
        "{} editions; {} reads by the standby, {} required in vain",
        editions.lock().unwrap().len(),
        metrics.reads.get(),
        metrics.fallbacks.get()
    );
    assert!(metrics.reads.get() > 0, "the standby has answered");
    runtime.block_on(pair.replay(true));
    drop(store);
    runtime.block_on(async { drop(pair) });
}
