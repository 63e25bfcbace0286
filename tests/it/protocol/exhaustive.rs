//! Exhaustive exploration of the order of events, at small sizes: writers that die before their invalidation, messages
//! that come late, twice or never, slow readers, fill leases that expire, refreshes, eviction, followers that lag,
//! replicas that restart, a Redis that is flushed or loses its newest writes.

use std::collections::HashSet;
use std::time::Instant;

use super::{Entry, Variant};

/// Number of revisions of the one article. The first exists from the beginning.
const REVISIONS: u8 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct State {
    committed: u8,
    /// Newest revision committed longer ago than the bound.
    due: u8,
    entry: Entry,
    readers: [Reader; 2],
    /// By revision: true if its invalidation may still arrive. It is never certain to.
    pending: [bool; REVISIONS as usize + 1],
    replicas: [Replica; 2],
    /// Position up to which Redis is known to be repaired; none after a flush.
    mark: Option<u8>,
    /// Entry in a lagging replica of Redis.
    copy: Option<Entry>,
    evictions: u8,
    restarts: u8,
    flushes: u8,
    failovers: u8,
}

/// A reader between the steps of a miss, or of a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Reader {
    Idle { claims: u8 },
    Claimed { claims: u8, token: u8 },
    Read { claims: u8, token: u8, revision: u8 },
    Refreshes { claims: u8, revision: u8 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Replica {
    repaired: u8,
    /// End of the feed, as found by the follower's current pass.
    target: Option<u8>,
    /// True once a pass that began within the bound has completed.
    trusted: bool,
}

/// Limits on the number of events.
#[derive(Clone, Copy)]
struct Sizes {
    readers: usize,
    /// Number of times a reader may claim, or refresh.
    claims: u8,
    refreshes: bool,
    replicas: usize,
    evictions: u8,
    restarts: u8,
    flushes: u8,
    failovers: u8,
}

const STARTS: Replica = Replica { repaired: 1, target: None, trusted: false };

/// Explores all reachable states. Returns their number, or the first violation.
fn explore(variant: Variant, sizes: Sizes) -> Result<usize, String> {
    let first = State {
        committed: 1,
        due: 1,
        entry: Entry::Absent,
        readers: [Reader::Idle { claims: 0 }; 2],
        pending: [false; REVISIONS as usize + 1],
        replicas: [STARTS; 2],
        mark: Some(1),
        copy: None,
        evictions: 0,
        restarts: 0,
        flushes: 0,
        failovers: 0,
    };
    let mut seen = HashSet::from([first]);
    let mut waiting = vec![first];
    let mut next = Vec::new();
    while let Some(state) = waiting.pop() {
        next.clear();
        after(variant, sizes, &state, &mut next)?;
        for state in &next {
            if seen.insert(*state) {
                holds(variant, sizes, state)?;
                waiting.push(*state);
            }
        }
    }
    Ok(seen.len())
}

/// Checks that the result of a trusted read is not older than the bound or the replica's repaired position.
fn holds(variant: Variant, sizes: Sizes, state: &State) -> Result<(), String> {
    let Entry::Value { revision } = state.entry else { return Ok(()) };
    for replica in &state.replicas[..sizes.replicas] {
        let trusted = replica.trusted || variant == Variant::NoLease;
        let repaired = if variant == Variant::NoLease { 0 } else { replica.repaired };
        if trusted && revision < state.due.max(repaired) {
            return Err(format!("{variant:?}: {revision} may be read in {state:?}"));
        }
    }
    Ok(())
}

fn after(variant: Variant, sizes: Sizes, state: &State, next: &mut Vec<State>) -> Result<(), String> {
    let mut step = |change: &dyn Fn(&mut State)| {
        let mut state = *state;
        change(&mut state);
        next.push(state);
    };
    // A writer commits; its message may arrive at any time from then on, more than once, or never.
    if state.committed < REVISIONS {
        step(&|s| {
            s.committed += 1;
            s.pending[s.committed as usize] = true;
        });
    }
    for revision in (2..=REVISIONS).filter(|revision| state.pending[*revision as usize]) {
        step(&|s| variant.invalidate(&mut s.entry, revision));
        step(&|s| s.pending[revision as usize] = false);
    }
    // The bound passes.
    step(&|s| {
        s.due = s.committed;
        s.replicas.iter_mut().for_each(|replica| (replica.trusted, replica.target) = (false, None));
    });
    if state.evictions < sizes.evictions && state.entry != Entry::Absent {
        step(&|s| (s.entry, s.evictions) = (Entry::Absent, s.evictions + 1));
    }
    if state.flushes < sizes.flushes {
        step(&|s| (s.entry, s.mark, s.flushes) = (Entry::Absent, None, s.flushes + 1));
    }
    for at in 0..sizes.readers {
        match state.readers[at] {
            Reader::Idle { claims } if claims < sizes.claims => {
                let token = (at as u8) << 4 | claims;
                for over in [false, true] {
                    step(&|s| {
                        let claims = claims + 1;
                        if variant.claim(&mut s.entry, token, over) {
                            s.readers[at] = Reader::Claimed { claims, token };
                        }
                    });
                }
                // A reader has seen an entry that expires soon, and reads the store, possibly much later.
                if sizes.refreshes && matches!(state.entry, Entry::Value { .. }) {
                    step(&|s| s.readers[at] = Reader::Refreshes { claims: claims + 1, revision: s.committed });
                }
            }
            Reader::Idle { .. } => {}
            Reader::Refreshes { claims, revision } => {
                let mut refreshed = *state;
                let accepted = variant.refresh(&mut refreshed.entry, revision);
                if accepted {
                    not_older(variant, "a refresh", state, revision)?;
                }
                refreshed.readers[at] = Reader::Idle { claims };
                step(&|s| *s = refreshed);
                step(&|s| s.readers[at] = Reader::Idle { claims });
            }
            Reader::Claimed { claims, token } => {
                // A lagging store may return any earlier revision.
                let oldest = if variant == Variant::LaggingStore { 1 } else { state.committed };
                for revision in oldest..=state.committed {
                    step(&|s| s.readers[at] = Reader::Read { claims, token, revision });
                }
            }
            Reader::Read { claims, token, revision } => {
                let mut filled = *state;
                let accepted = variant.fill(&mut filled.entry, token, revision);
                if accepted {
                    not_older(variant, "a slow fill", state, revision)?;
                }
                filled.readers[at] = Reader::Idle { claims };
                step(&|s| *s = filled);
                // The writer dies instead.
                step(&|s| s.readers[at] = Reader::Idle { claims });
            }
        }
    }
    followers(variant, sizes, state, next);
    redis_fails_over(variant, sizes, state, next);
    Ok(())
}

fn not_older(variant: Variant, what: &str, state: &State, revision: u8) -> Result<(), String> {
    match state.entry {
        Entry::Value { revision: newer } | Entry::Invalidated { revision: newer, .. } if newer > revision => {
            Err(format!("{variant:?}: {what} of {revision} overwrites in {state:?}"))
        }
        _ => Ok(()),
    }
}

fn followers(variant: Variant, sizes: Sizes, state: &State, next: &mut Vec<State>) {
    for at in 0..sizes.replicas {
        let replica = state.replicas[at];
        let mut changed = *state;
        match replica.target {
            // Every step of a pass sets the mark, and detects its absence.
            Some(_) if state.mark.is_none() => changed = reopened(variant, state, at),
            None => changed.replicas[at].target = Some(state.committed),
            Some(target) if replica.repaired < target => {
                let repaired = replica.repaired + 1;
                if variant != Variant::NoFollower {
                    variant.invalidate(&mut changed.entry, repaired);
                }
                changed.replicas[at].repaired = repaired;
                changed.mark = changed.mark.max(Some(repaired));
            }
            Some(_) => changed.replicas[at] = Replica { trusted: true, target: None, ..replica },
        }
        next.push(changed);
        if state.restarts < sizes.restarts {
            let mut changed = reopened(variant, state, at);
            changed.restarts += 1;
            next.push(changed);
        }
    }
}

/// A replica reconnects and continues from the mark. Without a mark, it begins another generation.
fn reopened(variant: Variant, state: &State, at: usize) -> State {
    let mut changed = *state;
    let repaired = match state.mark {
        Some(mark) if variant != Variant::StartsAtHead => mark,
        None if variant != Variant::NoGeneration => return new_generation(state),
        _ => state.committed,
    };
    changed.replicas[at] = Replica { repaired, ..STARTS };
    changed.mark = changed.mark.or(Some(repaired));
    changed
}

/// Begins another generation with other keys. Fills in flight go to the old ones. Readers of those are isolated, so
/// there is nothing else to explore.
fn new_generation(state: &State) -> State {
    let readers = state.readers.map(|reader| match reader {
        Reader::Idle { claims }
        | Reader::Claimed { claims, .. }
        | Reader::Read { claims, .. }
        | Reader::Refreshes { claims, .. } => Reader::Idle { claims },
    });
    let replicas = [Replica { repaired: state.committed, ..STARTS }; 2];
    State { entry: Entry::Absent, mark: Some(state.committed), readers, replicas, ..*state }
}

/// A replica of Redis takes a copy, and later takes over with it. All clients detect the new server.
fn redis_fails_over(variant: Variant, sizes: Sizes, state: &State, next: &mut Vec<State>) {
    if state.failovers >= sizes.failovers {
        return;
    }
    let Some(copy) = state.copy else {
        next.push(State { copy: Some(state.entry), ..*state });
        return;
    };
    let changed =
        if variant == Variant::NoGeneration { State { entry: copy, ..*state } } else { new_generation(state) };
    next.push(State { copy: None, failovers: state.failovers + 1, ..changed });
}

const PLAIN: Sizes =
    Sizes { readers: 2, claims: 2, refreshes: false, replicas: 1, evictions: 2, restarts: 0, flushes: 0, failovers: 0 };
const REFRESH: Sizes = Sizes { refreshes: true, ..PLAIN };
const REPLICAS: Sizes = Sizes { claims: 1, replicas: 2, evictions: 1, restarts: 1, ..PLAIN };
const FLUSH: Sizes = Sizes { claims: 1, evictions: 0, restarts: 1, flushes: 1, ..REFRESH };
const FAILOVER: Sizes = Sizes { claims: 1, evictions: 1, failovers: 1, ..REFRESH };

#[test]
fn no_stale_entry_is_ever_trusted() {
    let began = Instant::now();
    let mut states = 0;
    let all = [
        ("evictions", PLAIN),
        ("refreshes", REFRESH),
        ("two replicas", REPLICAS),
        ("flush", FLUSH),
        ("failover", FAILOVER),
    ];
    for (name, sizes) in all {
        let explored = explore(Variant::Right, sizes).unwrap_or_else(|violation| panic!("{violation}"));
        println!("{name}: {explored} states");
        states += explored;
    }
    println!("states explored: {states}, violations: 0, in {:.1?}", began.elapsed());
}

#[test]
fn every_simplification_is_detected() {
    for (variant, sizes) in [
        (Variant::PlainSet, PLAIN),
        (Variant::RevisionOnly, PLAIN),
        (Variant::TokenOnly, PLAIN),
        (Variant::AbsentAccepts, PLAIN),
        (Variant::TokenIgnored, PLAIN),
        (Variant::NoFollower, PLAIN),
        (Variant::NoLease, PLAIN),
        (Variant::StartsAtHead, REPLICAS),
        (Variant::NoGeneration, FLUSH),
        (Variant::NoGeneration, FAILOVER),
        (Variant::LaggingStore, PLAIN),
        (Variant::RefreshesAbsent, REFRESH),
        (Variant::RefreshesInvalidated, REFRESH),
        (Variant::RefreshesNewer, REFRESH),
    ] {
        let violation = explore(variant, sizes).expect_err("a violation");
        println!("{violation}");
    }
}

/// A fill reads the primary after its token was issued, and every change removes the token. Revisions protect entries
/// from late messages and are a second defense; in this model nothing depends on them.
#[test]
fn revisions_are_a_second_defense() {
    let small = Sizes { claims: 1, ..PLAIN };
    println!("without revisions: {} states", explore(Variant::LeaseAlone, small).unwrap());
}
