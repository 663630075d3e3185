//! The broker as its clients meet it: over gRPC, by the generated client, with nothing between.

mod receiving;
mod support;
