//! Random histories, while the standby stands still and goes on.

use std::time::Instant;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;

/// What a random history does.
#[derive(Clone, Copy, Debug)]
enum Step {
    Write,
    Replay(bool),
    /// Of this kind: within the bound, by the token of so many editions ago, or in full.
    Read(usize, Asked),
    /// So many hundredths of the bound.
    Rest(u32),
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Bounded,
    AtLeast(usize),
    Full,
}

fn step() -> impl Strategy<Value = Step> {
    let asked =
        prop_oneof![4 => Just(Asked::Bounded), 3 => (0..3_usize).prop_map(Asked::AtLeast), 1 => Just(Asked::Full)];
    prop_oneof![
        3 => Just(Step::Write),
        2 => any::<bool>().prop_map(Step::Replay),
        8 => (0..KINDS, asked).prop_map(|(kind, asked)| Step::Read(kind, asked)),
        2 => (1..60_u32).prop_map(Step::Rest),
    ]
}

/// Whatever is written, and however the standby lags: no read is older than the bound, or than its token.
#[test]
fn no_read_is_older_than_it_may_be() {
    const BOUND: Duration = Duration::from_millis(400);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let pair = runtime.block_on(Pair::start(BOUND));
    let store = pair.store();
    // Each edition's position, and when it was answered.
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
                Step::Read(kind, asked) => {
                    let known = editions.lock().unwrap().clone();
                    let began = Instant::now();
                    // By now they have been answered for longer than the bound.
                    let settled = known.iter().filter(|(_, answered)| *answered + BOUND <= began).count();
                    let (consistency, least) = match asked {
                        Asked::Bounded => (Consistency::Bounded, settled),
                        Asked::AtLeast(back) => match known.len().checked_sub(back + 1) {
                            Some(at) => (Consistency::AtLeast(known[at].0), settled.max(at + 1)),
                            None => (Consistency::Bounded, settled),
                        },
                        Asked::Full => (Consistency::Full, known.len()),
                    };
                    let seen = read(&store, kind, consistency).await;
                    assert!(seen >= least as i64, "{step:?} shows {seen}, and {least} was due");
                    assert!(seen <= known.len() as i64, "{step:?} shows {seen} of {}", known.len());
                }
            }
        }
    };
    let checked = TestRunner::new(config).run(&prop::collection::vec(step(), 10..60), |steps| {
        runtime.block_on(run(&steps));
        Ok(())
    });
    checked.unwrap_or_else(|failure| panic!("{failure}"));
    let stats = pair.standbys.stats();
    println!(
        "{} editions; {} reads by the standby, {} it was asked for in vain",
        editions.lock().unwrap().len(),
        stats.reads,
        stats.fallbacks
    );
    assert!(stats.reads > 0, "the standby has answered");
    runtime.block_on(pair.replay(true));
    drop(store);
    runtime.block_on(async { drop(pair) });
}
