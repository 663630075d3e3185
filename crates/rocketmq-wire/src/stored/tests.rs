use std::io::Write as _;

use bytes::{BufMut, BytesMut};
use proptest::prelude::*;

use super::*;
use crate::limits::MAX_BODY;
use crate::soak::cases;

/// Where the system flags lie in a message with addresses of either kind.
const SYS_FLAG_AT: usize = 4 + 4 + 4 + 4 + 4 + 8 + 8;

fn any_host() -> impl Strategy<Value = SocketAddr> {
    (any::<std::net::IpAddr>(), any::<u16>()).prop_map(SocketAddr::from)
}

fn any_properties() -> impl Strategy<Value = BTreeMap<String, String>> {
    proptest::collection::btree_map("[^\u{1}\u{2}]{0,6}", "[^\u{1}\u{2}]{0,12}", 0..6)
}

fn any_message() -> impl Strategy<Value = StoredMessage> {
    (
        ("\\PC{0,40}", any::<i32>(), any::<i64>(), any::<i64>()),
        (any::<i32>(), any::<i32>(), any::<i64>(), any::<i64>()),
        (any_host(), any_host(), any::<i32>(), any::<i64>()),
        (
            proptest::collection::vec(any::<u8>(), 0..200),
            any_properties(),
        ),
    )
        .prop_map(|(place, flags, origin, content)| StoredMessage {
            topic: place.0,
            queue_id: place.1,
            queue_offset: place.2,
            physical_offset: place.3,
            flag: flags.0,
            sys_flag: flags.1 & !OURS,
            born_ms: flags.2,
            stored_ms: flags.3,
            born_host: origin.0,
            stored_host: origin.1,
            reconsume_times: origin.2,
            prepared_transaction_offset: origin.3,
            body: content.0.into(),
            not_unpacked: None,
            properties: content.1,
        })
}

fn stored(messages: &[StoredMessage]) -> BytesMut {
    let mut out = BytesMut::new();
    for message in messages {
        message.encode(&mut out).unwrap();
    }
    out
}

fn example() -> StoredMessage {
    StoredMessage {
        topic: "topic_txmsg".to_owned(),
        queue_offset: 7,
        body: "body".into(),
        properties: [
            (UNIQUE_KEY, "01AB"),
            (KEYS, "key1 key2"),
            (TAGS, "tag"),
            ("empty", ""),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into(),
        ..StoredMessage::default()
    }
}

/// `example` with another body under the flags of a packed one.
fn packed(body: Vec<u8>, flags: i32) -> StoredMessage {
    let message = StoredMessage {
        body: body.into(),
        ..example()
    };
    let mut bytes = stored(&[message]);
    bytes[SYS_FLAG_AT..SYS_FLAG_AT + 4].copy_from_slice(&flags.to_be_bytes());
    let mut messages = StoredMessage::decode_all(&bytes.freeze()).unwrap();
    messages.remove(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(256)))]

    #[test]
    fn whatever_is_encoded_is_decoded(messages in proptest::collection::vec(any_message(), 0..5)) {
        let decoded = StoredMessage::decode_all(&stored(&messages).freeze()).unwrap();
        prop_assert_eq!(decoded, messages);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = StoredMessage::decode_all(&bytes.into());
    }

    #[test]
    fn bytes_behind_a_sound_head_do_not_make_it_panic(
        tail in proptest::collection::vec(any::<u8>(), 0..400), long_topic in any::<bool>()
    ) {
        let mut bytes = BytesMut::new();
        bytes.put_u32(u32::try_from(8 + tail.len()).unwrap());
        bytes.put_u32(if long_topic { MAGIC_LONG_TOPIC } else { MAGIC });
        bytes.put_slice(&tail);
        let _ = StoredMessage::decode_all(&bytes.freeze());
    }

    #[test]
    fn damage_is_an_error_or_another_message_and_is_named_inside_the_bytes(
        messages in proptest::collection::vec(any_message(), 1..4),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = stored(&messages);
        for (at, with) in damage {
            let at = at.index(bytes.len());
            bytes[at] = with;
        }
        let length = bytes.len();
        if let Err(error) = StoredMessage::decode_all(&bytes.freeze()) {
            prop_assert!(error.at <= length, "{error}");
        }
    }

    #[test]
    fn what_is_cut_short_is_an_error(message in any_message(), cut in any::<prop::sample::Index>()) {
        let bytes = stored(&[message]).freeze();
        let cut = cut.index(bytes.len());
        let decoded = StoredMessage::decode_all(&bytes.slice(..cut));
        prop_assert_eq!(decoded.is_ok(), cut == 0);
    }
}

#[test]
fn a_message_lies_as_rocketmq_lays_it() {
    let message = StoredMessage {
        topic: "t".to_owned(),
        queue_id: 1,
        queue_offset: 2,
        physical_offset: 3,
        flag: 4,
        sys_flag: 8,
        born_ms: 5,
        born_host: "1.2.3.4:80".parse().unwrap(),
        stored_ms: 6,
        stored_host: "5.6.7.8:10911".parse().unwrap(),
        reconsume_times: 7,
        prepared_transaction_offset: 8,
        body: "123456789".into(),
        not_unpacked: None,
        properties: [("a".to_owned(), "b".to_owned())].into(),
    };
    let expected: Vec<u8> = [
        &105_u32.to_be_bytes()[..],
        &[0xDA, 0xA3, 0x20, 0xA7],
        // The CRC-32 of 123456789 is CBF43926; Java's has no sign bit.
        &[0x4B, 0xF4, 0x39, 0x26],
        &[0, 0, 0, 1],
        &[0, 0, 0, 4],
        &[0, 0, 0, 0, 0, 0, 0, 2],
        &[0, 0, 0, 0, 0, 0, 0, 3],
        &[0, 0, 0, 8],
        &[0, 0, 0, 0, 0, 0, 0, 5],
        &[1, 2, 3, 4, 0, 0, 0, 80],
        &[0, 0, 0, 0, 0, 0, 0, 6],
        &[5, 6, 7, 8, 0, 0, 0x2A, 0x9F],
        &[0, 0, 0, 7],
        &[0, 0, 0, 0, 0, 0, 0, 8],
        &[0, 0, 0, 9],
        b"123456789",
        &[1],
        b"t",
        &[0, 4],
        b"a\x01b\x02",
    ]
    .concat();
    assert_eq!(&stored(&[message])[..], &expected[..]);
}

#[test]
fn a_long_topic_takes_the_second_magic() {
    for (length, magic) in [(127, MAGIC), (128, MAGIC_LONG_TOPIC)] {
        let message = StoredMessage {
            topic: "t".repeat(length),
            ..example()
        };
        let bytes = stored(std::slice::from_ref(&message)).freeze();
        assert_eq!(bytes[4..8], magic.to_be_bytes());
        assert_eq!(StoredMessage::decode_all(&bytes), Ok(vec![message]));
    }
}

#[test]
fn properties_say_id_keys_and_tag() {
    let message = example();
    assert_eq!(message.message_id(), Some("01AB"));
    assert_eq!(message.keys().collect::<Vec<_>>(), ["key1", "key2"]);
    assert_eq!(message.tags(), Some("tag"));
    assert_eq!(message.origin(), None);
}

#[test]
fn a_half_and_a_dead_message_know_where_they_were_sent() {
    let origin = |properties: &[(&str, &str)]| {
        let properties = properties.iter();
        let message = StoredMessage {
            properties: properties
                .map(|&(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
            ..StoredMessage::default()
        };
        message.origin().map(str::to_owned)
    };
    let sent = Some("t".to_owned());
    assert_eq!(origin(&[("PGROUP", "t")]), None);
    assert_eq!(origin(&[(REAL_TOPIC, "t"), ("PGROUP", "p")]), sent);
    assert_eq!(origin(&[(RETRY_TOPIC, "t"), ("PGROUP", "p")]), sent);
    assert_eq!(
        origin(&[(RETRY_TOPIC, "%RETRY%g_t"), ("PGROUP", "t")]),
        sent
    );
    let retry = Some("%RETRY%g_t".to_owned());
    assert_eq!(origin(&[(RETRY_TOPIC, "%RETRY%g_t")]), retry);
}

#[test]
fn a_body_is_unpacked_whether_zlib_or_gzip() {
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    zlib.write_all(b"ten yuan").unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"ten yuan").unwrap();
    for (body, flags) in [
        (zlib.finish().unwrap(), PACKED | 0x300),
        (gzip.finish().unwrap(), PACKED),
    ] {
        let message = packed(body, flags);
        assert_eq!(&message.body[..], b"ten yuan");
        assert_eq!((message.not_unpacked, message.sys_flag), (None, 0));
    }
}

#[test]
fn a_body_that_cannot_be_unpacked_comes_as_it_is_with_the_reason() {
    let mut bomb = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![0; 4 * MAX_BODY + 1]).unwrap();
    for (body, flags, why) in [
        (b"plain".to_vec(), PACKED, "cannot be unpacked"),
        (b"plain".to_vec(), PACKED | 0x100, "LZ4"),
        (b"plain".to_vec(), PACKED | 0x200, "Zstandard"),
        (bomb.finish().unwrap(), PACKED, "more than"),
    ] {
        let message = packed(body.clone(), flags);
        assert_eq!(message.body, body);
        let reason = message.not_unpacked.unwrap();
        assert!(reason.contains(why), "{reason}");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place_and_its_message() {
    let sound = stored(&[example()]);
    let broken = |at: usize, with: &[u8]| {
        let mut bytes = sound.clone();
        bytes.extend_from_slice(&sound);
        let at = sound.len() + at;
        bytes[at..at + with.len()].copy_from_slice(with);
        let error = StoredMessage::decode_all(&bytes.freeze()).unwrap_err();
        (error.at - sound.len(), error.field, error.queue_offset)
    };
    let minus_one = &[0xFF; 4];
    assert_eq!(broken(0, minus_one), (0, "size", None));
    assert_eq!(broken(0, &[0x7F]), (0, "size", None));
    assert_eq!(broken(0, &[0, 0, 0, 9]), (8, "body CRC", None));
    assert_eq!(broken(4, minus_one), (4, "magic", None));
    let port = SYS_FLAG_AT + 4 + 8 + 4;
    assert_eq!(broken(port, minus_one), (port, "born host", Some(7)));
    let body = port + 4 + 8 + 8 + 4 + 8;
    assert_eq!(broken(body, minus_one), (body, "body length", Some(7)));
    // 2^30 bytes are announced: they are not made room for.
    assert_eq!(broken(body, &[0x40]), (body + 4, "body", Some(7)));
    let properties = body + 4 + 4 + 1 + "topic_txmsg".len();
    assert_eq!(
        broken(properties, &[0xFF, 0xFF]),
        (properties, "properties length", Some(7))
    );
}

#[test]
fn a_separator_in_a_property_is_refused() {
    let message = StoredMessage {
        properties: [("a".to_owned(), "b\u{2}c".to_owned())].into(),
        ..example()
    };
    let mut out = BytesMut::from(&b"before"[..]);
    let error = message.encode(&mut out).unwrap_err();
    assert_eq!((error.field, &out[..]), ("properties", &b"before"[..]));
}

#[test]
fn properties_that_are_too_long_are_refused() {
    let message = StoredMessage {
        properties: [("a".to_owned(), "b".repeat(32_767))].into(),
        ..example()
    };
    let error = message.encode(&mut BytesMut::new()).unwrap_err();
    assert_eq!(error.field, "properties");
}

#[test]
fn what_lies_before_a_broken_message_is_given() {
    let mut bytes = stored(&[example(), example()]);
    let second = bytes.len() / 2;
    bytes[second + 4] ^= 1;
    let (sound, error) = StoredMessage::decode_sound(&bytes.freeze());
    assert_eq!(sound, [example()]);
    assert_eq!(error.unwrap().field, "magic");
}

#[test]
fn properties_are_made_to_fit_and_those_that_were_touched_are_named() {
    let property = |key: &str, value: String| (key.to_owned(), value);
    let mut message = StoredMessage {
        properties: [
            property(UNIQUE_KEY, "id".into()),
            property("TRACE_CONTEXT", "\u{5f20}".repeat(20_000)),
            property("odd", "a\u{1}b\u{2}".into()),
        ]
        .into(),
        ..example()
    };
    message.encode(&mut BytesMut::new()).unwrap_err();
    message.fit_properties();
    let read = StoredMessage::decode_all(&stored(&[message]).freeze()).unwrap();
    let read = &read[0].properties;
    assert_eq!(read[UNIQUE_KEY], "id");
    assert_eq!(read["odd"], "a\u{FFFD}b\u{FFFD}");
    assert_eq!(read["TRACE_CONTEXT"], "\u{5f20}".repeat(85));
    assert_eq!(read[SHORTENED], "TRACE_CONTEXT,odd");
}

#[test]
fn however_many_properties_there_are_they_are_made_to_fit() {
    let many = (0..2_000).map(|n| (format!("{n:0100}"), format!("{n:0100}")));
    let long = (0..20).map(|n| (format!("{n:05000}"), String::new()));
    for properties in [many.collect(), long.collect()] {
        let mut message = StoredMessage {
            properties,
            ..example()
        };
        message.fit_properties();
        let read = StoredMessage::decode_all(&stored(&[message]).freeze()).unwrap();
        assert!(read[0].properties.contains_key(SHORTENED));
    }
}
