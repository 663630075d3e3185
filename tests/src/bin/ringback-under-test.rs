//! The `ringback` program under a name of this package's own: a test sees only the binaries of the
//! package it belongs to.

fn main() -> std::process::ExitCode {
    ringback::main()
}
