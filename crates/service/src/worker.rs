//! Which process did it, for those who read `checked_by` or an attempt's worker. The host is part of it:
//! in containers replicas have the same process id.

/// The longest host name that is kept, so that `host:pid` fits its column.
const HOST: usize = 50;

/// `host:pid` of this process, at most 64 characters.
#[must_use]
pub fn name() -> String {
    of(std::process::id())
}

/// The same of another process on this host.
#[must_use]
pub fn of(pid: u32) -> String {
    // The kernel's word where there is one; elsewhere the process id must do.
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}:{pid}", shown(&host))
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
        assert!(of(u32::MAX).chars().count() <= 64);
        assert_eq!(shown(&"x".repeat(200)).len(), HOST);
        assert_eq!(shown(" \n"), "localhost");
    }
}
