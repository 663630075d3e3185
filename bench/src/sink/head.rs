//! The head of a request.

/// As much of it as matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub path: String,
    /// `webhook-id`, or nothing.
    pub id: String,
    /// Bytes of the head itself.
    pub length: usize,
    /// Bytes of the body behind it.
    pub body: usize,
}

impl Head {
    /// `None` while it is not whole.
    pub(super) fn read(bytes: &[u8]) -> anyhow::Result<Option<Self>> {
        const END: &[u8] = b"\r\n\r\n";
        let Some(end) = bytes.windows(END.len()).position(|four| four == END) else {
            anyhow::ensure!(bytes.len() < 64 * 1024, "a head without an end");
            return Ok(None);
        };
        let text = std::str::from_utf8(&bytes[..end])?;
        let mut lines = text.split("\r\n");
        let request = lines.next().unwrap_or_default();
        let mut head = Self {
            path: request.split(' ').nth(1).unwrap_or("/").to_owned(),
            id: String::new(),
            length: end + END.len(),
            body: 0,
        };
        for line in lines {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            if name.eq_ignore_ascii_case("content-length") {
                head.body = value.trim().parse()?;
            } else if name.eq_ignore_ascii_case("webhook-id") {
                value.trim().clone_into(&mut head.id);
            }
        }
        Ok(Some(head))
    }
}
