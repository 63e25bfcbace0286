//! Replays the corpus of the fuzz targets (`fuzz/corpus`). `make fuzz` looks for more.

use std::path::Path;

#[path = "../../fuzz/targets.rs"]
mod targets;

#[test]
fn the_corpus_of_the_fuzz_targets_is_extracted_without_panics() {
    let replay = || {
        for target in targets::TARGETS {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
            let inputs: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            assert!(!inputs.is_empty(), "{target} has no corpus");
            for input in inputs {
                targets::run(target, &std::fs::read(input).unwrap());
            }
        }
    };
    // Extraction recurses as deep as a page nests: on a thread with a stack for that, as in the server.
    std::thread::Builder::new().stack_size(64 << 20).spawn(replay).unwrap().join().unwrap();
}
