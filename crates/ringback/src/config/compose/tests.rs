//! Who wins: the command line, then the file, then the default.

use std::time::Duration;

use super::*;

const TEXT: &str = r#"
[broker]
address = ["10.0.0.1:8081", "10.0.0.2:8081"]
[broker.embedded]
listen = "127.0.0.1:7001"
check_interval = "2s"
[[broker.embedded.topic]]
name = "topic_txmsg"
type = "transaction"
[[broker.embedded.group]]
name = "bank2"
ladder = "10s,20s"
[initiator]
source = "bank1"
topic = "topic_txmsg"
accepted_by = ["bank2"]
notifier = "http://127.0.0.1:8190"
[notifier]
listen = "127.0.0.1:7003"
[[endpoint]]
id = "bank2"
url = "http://127.0.0.1:8182/notifications"
secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
[[subscription]]
group = "bank2"
topic = "topic_txmsg"
endpoint = "bank2"
[egress]
allow = ["127.0.0.0/8"]
[bank1]
listen = "127.0.0.1:7004"
[[bank2.source]]
name = "bank1"
secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
"#;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn file() -> File {
    File::parse(TEXT, Path::new("ringback.toml")).unwrap()
}

fn data() -> &'static Path {
    Path::new("/data")
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn the_command_line_wins_over_the_file_and_the_file_over_the_default() {
    let said = Overrides {
        listen: Some(address("127.0.0.1:9999")),
        broker: vec!["broker:1".into()],
        ..Overrides::default()
    };
    let nothing = Overrides::default();

    let config = bank1(file(), &said, data(), TOKEN).unwrap();
    assert_eq!(config.listen, address("127.0.0.1:9999"));
    assert_eq!(config.broker.endpoints, ["broker:1"]);

    let config = bank1(file(), &nothing, data(), TOKEN).unwrap();
    assert_eq!(config.listen, address("127.0.0.1:7004"));
    assert_eq!(config.broker.endpoints, ["10.0.0.1:8081", "10.0.0.2:8081"]);

    let config = bank2(file(), &nothing, data()).unwrap();
    assert_eq!(config.listen, usual::BANK2);
    assert_eq!(config.demo, Demo::Off);
}

#[test]
fn a_ladder_from_the_command_line_is_every_groups_and_every_endpoints() {
    let said = Overrides {
        ladder: Some("1s,2s,3s".parse().unwrap()),
        ..Overrides::default()
    };
    let seconds = |seconds: &[u64]| {
        seconds
            .iter()
            .copied()
            .map(Duration::from_secs)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        broker(file(), &said, data()).groups[0].delays,
        seconds(&[1, 2, 3])
    );
    assert_eq!(
        broker(file(), &Overrides::default(), data()).groups[0].delays,
        seconds(&[10, 20])
    );
    assert_eq!(
        notifier(file(), &said, data(), TOKEN).unwrap().ladder,
        said.ladder
    );
}

#[test]
fn what_the_file_leaves_out_is_as_the_broker_has_it() {
    let config = broker(file(), &Overrides::default(), data());
    assert_eq!(config.listen, address("127.0.0.1:7001"));
    assert_eq!(config.check_interval, Duration::from_secs(2));
    assert_eq!(config.check_max, 15);
    assert_eq!(config.groups[0].retry_max_times, 1000);
    assert_eq!(config.data, Path::new("/data/broker"));
}

#[test]
fn without_an_address_the_embedded_broker_is_meant() {
    let text = TEXT.replace(r#"address = ["10.0.0.1:8081", "10.0.0.2:8081"]"#, "");
    let file = File::parse(&text, Path::new("x")).unwrap();
    let config = bank1(file, &Overrides::default(), data(), TOKEN).unwrap();
    assert_eq!(config.broker.endpoints, ["127.0.0.1:7001"]);
}

#[test]
fn a_section_that_a_service_can_not_do_without_is_asked_for_by_name() {
    let empty = || File::parse("", Path::new("x")).unwrap();
    let failure = bank1(empty(), &Overrides::default(), data(), TOKEN).unwrap_err();
    assert!(failure.message.contains("[initiator] is missing"));
    let failure = bank2(empty(), &Overrides::default(), data()).unwrap_err();
    assert!(failure.message.contains("[[bank2.source]] is missing"));
    let failure = notifier(empty(), &Overrides::default(), data(), TOKEN).unwrap_err();
    assert!(failure.message.contains("[[subscription]]"), "{failure}");
}
