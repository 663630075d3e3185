//! The line that says "up": what a parent process waits for.

use std::io::Write;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// `{"ready":"bank1","address":"127.0.0.1:8181","pid":1}`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// The service's name.
    pub ready: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// The process that does.
    pub pid: u32,
}

/// Prints the line on standard output and flushes it.
pub fn announce(service: &str, address: SocketAddr) -> std::io::Result<()> {
    let line = line(service, address)?;
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}

fn line(service: &str, address: SocketAddr) -> serde_json::Result<String> {
    serde_json::to_string(&Ready {
        ready: service.to_owned(),
        address,
        pid: std::process::id(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_reads_back() {
        let address = "127.0.0.1:8181".parse().unwrap();
        let line = line("bank1", address).unwrap();
        assert!(line.starts_with(r#"{"ready":"bank1","address":"127.0.0.1:8181","pid":"#));
        let ready: Ready = serde_json::from_str(&line).unwrap();
        assert_eq!(ready.pid, std::process::id());
    }
}
