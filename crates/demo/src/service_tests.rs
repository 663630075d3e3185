//! A service that is a shell script: what the stage does to processes, without Ringback in them.

use std::os::unix::process::ExitStatusExt;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;

/// Prints the ready line and lives until its stdin closes.
const WELL_BEHAVED: &str =
    r#"echo '{"ready":"bank1","address":"127.0.0.1:20001","pid":1}'; read -r _"#;

fn service(data: &tempfile::TempDir, script: &str) -> Service {
    let spec = Spec {
        kind: ServiceKind::Bank1,
        program: Program {
            path: "/bin/sh".into(),
            without: Vec::new(),
        },
        args: vec!["-c".to_owned(), script.to_owned()],
        address: "127.0.0.1:20001".parse().unwrap(),
        logs: data.path().to_path_buf(),
    };
    Service::new(spec, Arc::new(RunFileWriter::new(data.path())))
}

fn lives(pid: u32) -> bool {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), None).is_ok()
}

#[tokio::test]
async fn a_killed_service_is_gone_and_its_successor_has_another_pid_and_the_same_address() {
    let data = tempfile::tempdir().unwrap();
    let mut service = service(&data, WELL_BEHAVED);
    service.start().await.unwrap();
    let first = service.pid().unwrap();
    assert!(lives(first));
    assert_eq!(service.kill9().await.unwrap(), Some(first));
    assert!(!lives(first));
    service.start().await.unwrap();
    assert_ne!(service.pid(), Some(first));
    let run = crate::RunFile::read(data.path()).unwrap().unwrap();
    assert_eq!(run.services["bank1"].pid, service.pid());
    assert_eq!(run.address("bank1"), Some(service.address()));
}

#[tokio::test]
async fn a_service_whose_stdin_closes_ends_by_itself() {
    let data = tempfile::tempdir().unwrap();
    let orderly = data.path().join("orderly");
    let script = format!("{WELL_BEHAVED}; touch {}", orderly.display());
    let mut service = service(&data, &script);
    service.start().await.unwrap();
    let pid = service.pid().unwrap();
    service.stop(Duration::from_secs(20)).await.unwrap();
    assert!(!lives(pid) && orderly.exists());
}

#[tokio::test]
async fn a_service_that_does_not_end_is_killed_after_its_grace() {
    let data = tempfile::tempdir().unwrap();
    let mut service = service(&data, &format!("{WELL_BEHAVED}; while :; do sleep 1; done"));
    service.start().await.unwrap();
    let pid = service.pid().unwrap();
    service.stop(Duration::from_millis(200)).await.unwrap();
    assert!(!lives(pid));
}

#[tokio::test]
async fn a_service_that_ends_before_it_is_ready_says_why() {
    let data = tempfile::tempdir().unwrap();
    let mut service = service(&data, "echo 'bank1.listen: address in use' >&2; exit 2");
    let error = service.start().await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, StageError::Ended { .. }), "{text}");
    assert!(text.contains("bank1.listen: address in use"), "{text}");
    assert!(text.contains("exit status: 2"), "{text}");
}

#[tokio::test]
async fn a_service_is_not_blamed_for_what_an_earlier_start_said() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("bank1.stderr"), "error: mended since\n").unwrap();
    let mut service = service(&data, "echo 'error: of today' >&2; exit 2");
    let text = service.start().await.unwrap_err().to_string();
    assert!(text.contains("error: of today"), "{text}");
    assert!(!text.contains("mended since"), "{text}");
}

#[tokio::test]
async fn how_a_service_died_is_told() {
    let data = tempfile::tempdir().unwrap();
    let line = WELL_BEHAVED.trim_end_matches("; read -r _");
    let mut service = service(&data, &format!("{line}; kill -9 $$"));
    service.start().await.unwrap();
    let status = service.ended_by_itself().await.unwrap().unwrap();
    assert_eq!(status.signal(), Some(9));
}

#[tokio::test]
async fn waiting_for_a_service_does_not_ask_it_to_end() {
    let data = tempfile::tempdir().unwrap();
    let mut service = service(&data, WELL_BEHAVED);
    service.start().await.unwrap();
    let waited = tokio::time::timeout(Duration::from_millis(300), service.ended_by_itself()).await;
    assert!(waited.is_err(), "the service ended while it was waited for");
}

#[tokio::test]
async fn a_supervised_service_comes_back_under_another_pid() {
    use crate::supervise::{Restart, watch};
    let data = tempfile::tempdir().unwrap();
    let mut service = service(&data, WELL_BEHAVED);
    service.start().await.unwrap();
    let first = service.pid().unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let tell = |restart| {
        if let Restart::Back { pid, .. } = restart {
            told.send(pid).unwrap();
        }
    };
    let killing = async {
        kill(
            Pid::from_raw(i32::try_from(first).unwrap()),
            Signal::SIGKILL,
        )
        .unwrap();
        let second = tokio::time::timeout(Duration::from_secs(20), heard.recv()).await;
        stop.cancel();
        second.unwrap().unwrap()
    };
    let (watched, second) = tokio::join!(watch(&mut service, &stop, &tell), killing);
    watched.unwrap();
    assert_ne!(second, first);
    assert_eq!(service.pid(), Some(second));
}
