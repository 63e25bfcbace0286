//! Data files: words and phrases in sections, each under a line `[name]`. Lines that begin with `#` are comments.

/// Returns the lines of data files, each with the name of its section.
pub(super) fn lines(files: &'static [&'static str]) -> impl Iterator<Item = (&'static str, &'static str)> {
    files.iter().flat_map(|file| {
        let mut section = "";
        file.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).filter_map(move |line| {
            match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                Some(name) => {
                    section = name;
                    None
                }
                None => Some((section, line)),
            }
        })
    })
}
