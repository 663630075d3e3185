//! The `ringback` program. All of it is in the library, so that the tests' own binary can call it too.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// Messages come, wait and go by the thousand, made by one thread and let go of by another.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    ringback::main()
}
