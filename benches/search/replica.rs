//! A new replica: an index that is restored from the snapshot of another one.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use copydesk::article::Position;
use copydesk::search::{SearchIndex, SearchOptions, SnapshotOptions};
use copydesk::telemetry::SearchMetrics;

use crate::archive::Archive;
use crate::{Result, made, options};

/// Maximum time of each step.
const STEP: Duration = Duration::from_secs(600);

/// Publishes a snapshot of the index in a folder, and restores it in another one.
pub async fn restored(articles: u64, dir: &Path) -> Result<()> {
    let snapshots = SnapshotOptions { folder: dir.join("snapshots"), interval: Duration::from_secs(1) };
    let open = async |dir: &Path| {
        let archive = Arc::new(Archive::new(articles, Box::new(made::article)));
        let options = SearchOptions { snapshots: Some(snapshots.clone()), ..options(dir) };
        let index = SearchIndex::open(archive, options, SearchMetrics::default()).await?;
        if index.reach(Position::START, STEP).await { Ok(index) } else { Err::<_, crate::Error>("not opened".into()) }
    };
    let began = Instant::now();
    let index = open(dir).await?;
    while !has_manifest(&snapshots.folder)? {
        if began.elapsed() > STEP {
            return Err("no snapshot was published".into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("\nsnapshot published {:.1} s after the start", began.elapsed().as_secs_f64());
    drop(index);
    let fresh = tempfile::tempdir_in(dir)?;
    let began = Instant::now();
    open(fresh.path()).await?;
    println!("a new replica can search after {:.1} s, from the snapshot", began.elapsed().as_secs_f64());
    Ok(std::fs::remove_dir_all(&snapshots.folder)?)
}

fn has_manifest(folder: &Path) -> Result<bool> {
    for feed in std::fs::read_dir(folder).into_iter().flatten() {
        if feed?.path().join("manifest.json").exists() {
            return Ok(true);
        }
    }
    Ok(false)
}
