//! The `ringback` program. All of it is in the library, so that the tests' own binary can call it too.

use std::process::ExitCode;

fn main() -> ExitCode {
    ringback::main()
}
