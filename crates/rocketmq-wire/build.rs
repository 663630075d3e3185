//! Generates the Rust types of `proto/rocketmq.proto` at build time, without `protoc`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto/rocketmq.proto");
    let descriptors = protox::compile(["proto/rocketmq.proto"], ["proto"])?;
    tonic_prost_build::configure()
        // Bodies travel as `Bytes`: cloning a message for a retry or a batch copies no body.
        .bytes(".")
        // As both sides keep them, and without a hash of each name.
        .btree_map(".apache.rocketmq.v2.Message.user_properties")
        .compile_fds(descriptors)?;
    Ok(())
}
