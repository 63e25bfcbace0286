//! Directories of the embedded store and of the search index.

use std::path::Path;

use super::Finding;
use super::host::disk_space;
use crate::store::sqlite::{SqliteOptions, SqliteStore};
use crate::{files, printable};

const PART: &str = "folder";

pub(super) fn check(options: &SqliteOptions, findings: &mut Vec<Finding>) {
    let dir = printable::path(&options.dir);
    if !options.dir.exists() {
        return match creatable(&options.dir) {
            Ok(above) => {
                findings.push(Finding::ok(PART, format!("{dir} does not exist yet; `serve` creates it")));
                findings.push(disk_space("disk", above));
            }
            Err(error) => {
                let found = format!("{dir} cannot be created: {error}");
                findings.push(Finding::problem(PART, found, "give the server's user write access, or change data-dir"));
            }
        };
    }
    let writable = tempfile::tempfile_in(&options.dir).map_err(|error| format!("{dir}: {error}"));
    let in_use = writable.and_then(|_removed| SqliteStore::is_in_use(options).map_err(|error| error.to_string()));
    match in_use {
        Ok(true) => findings.push(Finding::ok(PART, format!("{dir} is in use by a server"))),
        Ok(false) => findings.push(Finding::ok(PART, format!("{dir} is writable and not in use"))),
        Err(error) => {
            return findings.push(Finding::problem(
                PART,
                error,
                "give the server's user write access, or change data-dir",
            ));
        }
    }
    findings.extend(options.files().iter().chain([&options.dir]).filter_map(|path| for_others(PART, path)));
    findings.push(disk_space("disk", &options.dir));
}

/// Checks the directory of the search index.
pub(super) fn search_index(dir: &Path, findings: &mut Vec<Finding>) {
    let shown = printable::path(dir);
    let checked = match dir.exists() {
        true => tempfile::tempfile_in(dir).map(|_removed| (dir, "is writable")),
        false => creatable(dir).map(|above| (above, "does not exist yet; `serve` creates it")),
    };
    match checked {
        Ok((on, state)) => {
            findings.push(Finding::ok("search index", format!("{shown} {state}")));
            findings.push(disk_space("disk", on));
        }
        Err(error) => findings.push(Finding::problem(
            "search index",
            format!("{shown} cannot be written: {error}"),
            "give the server's user write access, or change search-dir or data-dir",
        )),
    }
}

/// Checks that a directory can be created. Returns the existing directory above it.
fn creatable(dir: &Path) -> std::io::Result<&Path> {
    let above = dir.ancestors().skip(1).find(|path| path.as_os_str().is_empty() || path.exists());
    let above = above.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::Builder::new().prefix(".copydesk-doctor").tempdir_in(above).map(|_removed| above)
}

/// Returns advice for a file or directory accessible to group or others. Its mode, set by an older version or by hand,
/// is not changed, since somebody may rely on it.
pub(super) fn for_others(part: &'static str, path: &Path) -> Option<Finding> {
    let mode = files::mode_for_others(path)?;
    let expected = if path.is_dir() { files::FOLDER_MODE } else { files::FILE_MODE };
    let path_text = printable::path(path);
    let found = format!("{path_text} has mode {mode:04o}: other users of this machine may have access");
    Some(Finding::advice(part, found, format!("chmod {expected:03o} {}", quoted(path))))
}

/// Returns a path quoted for the shell.
fn quoted(path: &Path) -> String {
    let text = printable::path(path);
    let plain = |letter: char| letter.is_alphanumeric() || "/._-+,@%".contains(letter);
    match text.is_empty() || !text.chars().all(plain) {
        true => format!("'{}'", text.replace('\'', r"'\''")),
        false => text,
    }
}
