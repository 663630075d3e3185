//! The banks over HTTP, as their callers meet them: bank1 with a broker (or without), bank2 with signed requests.

mod bank1;
mod bank2;
mod support;
