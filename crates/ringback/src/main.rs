//! The `ringback` program. All of it is in the library, so that the tests' own binary can call it too.

use std::process::ExitCode;

/// Messages come, wait and go by the thousand, made by one thread and let go of by another.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    ringback::main()
}
