//! The folder of the embedded store.

use std::path::Path;

use super::Finding;
use super::host::room;
use crate::store::sqlite::{SqliteOptions, SqliteStore};

const PART: &str = "folder";

pub(super) fn look(options: &SqliteOptions, findings: &mut Vec<Finding>) {
    let dir = options.dir.display();
    if !options.dir.exists() {
        let above = options.dir.ancestors().skip(1).find(|path| path.as_os_str().is_empty() || path.exists());
        let above = above.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let made = tempfile::Builder::new().prefix(".copydesk-doctor").tempdir_in(above);
        return match made {
            Ok(_removed) => {
                findings.push(Finding::ok(PART, format!("{dir} is not there yet; `serve` makes it")));
                findings.push(room("disk", above));
            }
            Err(error) => {
                let found = format!("{dir} cannot be made: {error}");
                findings.push(Finding::problem(PART, found, "let the server's user write there, or set data-dir"));
            }
        };
    }
    let writable = tempfile::tempfile_in(&options.dir).map_err(|error| format!("{dir}: {error}"));
    let in_use = writable.and_then(|_removed| SqliteStore::is_in_use(options).map_err(|error| error.to_string()));
    match in_use {
        Ok(true) => findings.push(Finding::ok(PART, format!("{dir} is in use by a server"))),
        Ok(false) => findings.push(Finding::ok(PART, format!("{dir} is there, can be written, and nobody uses it"))),
        Err(error) => {
            return findings.push(Finding::problem(PART, error, "let the server's user write there, or set data-dir"));
        }
    }
    findings.push(room("disk", &options.dir));
}
