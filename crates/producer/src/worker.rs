//! Which process this is, for those who read `checked_by`.

/// The longest host name that is kept, so that `host:pid` fits its column.
const HOST: usize = 50;

/// `host:pid`, at most 64 characters.
pub(crate) fn name() -> String {
    // The kernel's word where there is one; elsewhere the process id must do.
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}:{}", shown(&host), std::process::id())
}

fn shown(host: &str) -> String {
    let host: String = host
        .trim()
        .chars()
        .filter(char::is_ascii_graphic)
        .take(HOST)
        .collect();
    if host.is_empty() {
        "localhost".to_owned()
    } else {
        host
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_fits_its_column_and_ends_with_the_process_id() {
        assert!(name().ends_with(&format!(":{}", std::process::id())));
        assert_eq!(shown(&"x".repeat(200)).len(), HOST);
        assert_eq!(shown(" \n"), "localhost");
    }
}
