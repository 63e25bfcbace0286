//! Files that only this process's user can access, whatever the umask; and the identity of open files.

use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Mode of folders that this program creates.
pub const FOLDER_MODE: u32 = 0o700;
/// Mode of files that this program creates.
pub const FILE_MODE: u32 = 0o600;
/// Permissions of group and others.
const OTHERS: u32 = 0o077;

/// Creates a folder and its missing parents for this user only. An existing folder keeps its mode.
pub fn create_folder(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
        create_folder(above)?;
    }
    match DirBuilder::new().mode(FOLDER_MODE).create(path) {
        // An unusual umask may have removed the owner's permissions.
        Ok(()) => std::fs::set_permissions(path, Permissions::from_mode(FOLDER_MODE)),
        // Another process has created it.
        Err(_) if path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Creates an empty file for this user only. An existing file keeps its content and its mode.
pub fn create_file(path: &Path) -> Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path) {
        Ok(file) => file.set_permissions(Permissions::from_mode(FILE_MODE)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Opens a file for appending; creates it for this user only if it is missing.
pub fn append(path: &Path) -> Result<File> {
    let open = || OpenOptions::new().append(true).open(path);
    match open() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            create_file(path)?;
            open()
        }
        opened => opened,
    }
}

/// Returns the mode of a file or folder if group or others have access to it.
pub fn mode_for_others(path: &Path) -> Option<u32> {
    let mode = std::fs::metadata(path).ok()?.mode() & 0o7777;
    (mode & OTHERS != 0).then_some(mode)
}

/// Identity of a file on this machine. Unique while the file is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// Returns the identity of the file that a path leads to.
    pub fn at(path: &Path) -> Result<Self> {
        std::fs::metadata(path).map(|metadata| Self::of(&metadata))
    }

    /// Checks that a path leads to this file.
    ///
    /// # Errors
    /// Returns an error if it leads to nothing or to another file.
    pub fn check(self, path: &Path) -> Result<()> {
        match Self::at(path)? {
            found if found == self => Ok(()),
            _ => Err(Error::other("the path leads to another file")),
        }
    }

    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn what_exists_keeps_its_mode() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, file) = (dir.path().join("a/b"), dir.path().join("a/b/c"));
        create_folder(&folder).unwrap();
        create_file(&file).unwrap();
        assert_eq!((mode(&folder), mode(&dir.path().join("a")), mode(&file)), (FOLDER_MODE, FOLDER_MODE, FILE_MODE));
        assert_eq!((mode_for_others(&folder), mode_for_others(&file)), (None, None));
        std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        std::fs::write(&file, "kept").unwrap();
        std::fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        create_folder(&folder).unwrap();
        create_file(&file).unwrap();
        append(&file).unwrap();
        assert_eq!((mode_for_others(&folder), mode_for_others(&file)), (Some(0o755), Some(0o640)));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "kept");
        assert!(create_folder(&file.join("d")).is_err());
    }

    #[test]
    fn an_identity_is_of_the_file_and_not_of_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let (file, moved) = (dir.path().join("file"), dir.path().join("moved"));
        let _open = append(&file).unwrap();
        let identity = Identity::at(&file).unwrap();
        identity.check(&file).unwrap();
        std::fs::rename(&file, &moved).unwrap();
        assert_eq!(identity.check(&file).unwrap_err().kind(), ErrorKind::NotFound);
        create_file(&file).unwrap();
        assert!(identity.check(&file).is_err());
        std::fs::rename(&moved, &file).unwrap();
        identity.check(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        create_file(&file).unwrap();
        assert!(identity.check(&file).is_err(), "the inode of an open file was reused");
    }
}
