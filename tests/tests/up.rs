//! `ringback up` from outside: what dies comes back, Ctrl-C ends everything, data stays.

#![allow(
    clippy::unwrap_used,
    reason = "a failed unwrap in a test is a failed test"
)]

use demo::{RunFile, eventually};
use nix::sys::signal::Signal;
use ringback_tests::{PATIENCE, System, lives, pids_of, send, under_test};

const ARGS: [&str; 3] = ["--demo", "--ladder", "1s,2s,3s"];

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_killed_comes_back_at_the_same_address() {
    let mut system = System::up(under_test!(), &ARGS);
    system.says("Try: ").await;
    let before = RunFile::read(&system.data()).unwrap().unwrap();
    for (name, service) in &before.services {
        send(service.pid.unwrap(), Signal::SIGKILL);
        system.says(&format!("{name} ended (signal: 9")).await;
        system.says(&format!("{name} is back, pid ")).await;
    }
    let after = RunFile::read(&system.data()).unwrap().unwrap();
    for (name, service) in &before.services {
        assert_eq!(after.address(name), Some(service.address), "{name}");
        assert_ne!(after.services[name].pid, service.pid, "{name}");
    }
    let transfer = system
        .run(&["transfer", "--amount", "10.00", "--wait"])
        .await;
    assert_eq!(transfer.code(), 0, "{transfer:?}");
    system.ctrl_c().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_every_service_and_the_data_is_there_at_the_next_start() {
    let mut system = System::up(under_test!(), &ARGS);
    system.says("Try: ").await;
    let transfer = system
        .run(&["transfer", "--amount", "10.00", "--wait"])
        .await;
    assert_eq!(transfer.code(), 0, "{transfer:?}");
    let pids = pids_of(&system.data());
    assert_eq!(pids.len(), 4);
    let (code, folder) = system.ctrl_c().await;
    assert_eq!(code, Some(0));
    assert!(!pids.iter().copied().any(lives), "a service is left");

    let mut system = System::up_in(under_test!(), folder, &ARGS);
    system.says("Try: ").await;
    let accounts = system.run(&["accounts"]).await;
    assert!(accounts.stdout.contains("9,990.00"), "{accounts:?}");
    system.ctrl_c().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_up_that_is_killed_leaves_no_process_behind() {
    let mut system = System::up(under_test!(), &ARGS);
    system.says("Try: ").await;
    let pids = pids_of(&system.data());
    drop(system);
    let gone = eventually("no service is left", PATIENCE, || async {
        Ok((!pids.iter().copied().any(lives)).then_some(()))
    });
    gone.await.unwrap();
}
