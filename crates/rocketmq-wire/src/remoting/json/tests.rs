use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::soak::cases;

/// The description of a cluster as a name server of 5.5.0 wrote it.
const CLUSTER: &[u8] = br#"{"brokerAddrTable":{"broker-a":{"brokerAddrs":{0:"127.0.0.1:10911",1:"10.0.0.2:10911"},"brokerName":"broker-a","cluster":"DefaultCluster","enableActingMaster":false}},"clusterAddrTable":{"DefaultCluster":["broker-a"]}}"#;

#[test]
fn keys_without_quotes_are_read_as_if_they_had_them() {
    let value: Value = from_slice(CLUSTER).unwrap();
    let addresses = &value["brokerAddrTable"]["broker-a"]["brokerAddrs"];
    assert_eq!(addresses["0"], "127.0.0.1:10911");
    assert_eq!(addresses["1"], "10.0.0.2:10911");
}

#[test]
fn a_bare_word_that_is_no_key_stays_wrong() {
    for wrong in ["[a]", "{\"a\":b}", "{a}", "{a b:1}", "a", "{,a:1}x"] {
        assert!(from_slice::<Value>(wrong.as_bytes()).is_err(), "{wrong}");
    }
    // Values are not keys, and what looks like a key inside a string is text.
    let value: Value = from_slice(br#"{a:[1,true,null,{b:"{c:1,d\":2}"}]}"#).unwrap();
    assert_eq!(value["a"][3]["b"], "{c:1,d\":2}");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[{}\\[\\],:\"\\\\a0 ]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map("[a-z0-9 \"{]{0,6}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Writes JSON, leaving the quotes off every key that can do without.
fn bare(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            out.push('{');
            for (n, (key, value)) in map.iter().enumerate() {
                if n > 0 {
                    out.push_str(" ,\n");
                }
                if !key.is_empty() && key.bytes().all(is_word) {
                    out.push_str(key);
                } else {
                    out.push_str(&Value::from(key.as_str()).to_string());
                }
                out.push_str(" : ");
                bare(value, out);
            }
            out.push('}');
        }
        Value::Array(list) => {
            out.push('[');
            for (n, value) in list.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                bare(value, out);
            }
            out.push(']');
        }
        leaf => out.push_str(&leaf.to_string()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(256)))]

    #[test]
    fn what_is_json_is_not_touched(value in any_json(), pretty in any::<bool>()) {
        let text = if pretty { format!("{value:#}") } else { value.to_string() };
        prop_assert!(matches!(quote_keys(text.as_bytes()), Cow::Borrowed(_)));
    }

    #[test]
    fn taking_the_quotes_off_the_keys_changes_nothing(value in any_json()) {
        let mut text = String::new();
        bare(&value, &mut text);
        prop_assert_eq!(from_slice::<Value>(text.as_bytes()).unwrap(), value);
    }

    #[test]
    fn no_bytes_make_it_panic_or_grow_beyond_their_quotes(
        bytes in proptest::collection::vec(prop_oneof![
            any::<u8>(), proptest::sample::select(br#"{}[]",:\a0 "#.to_vec()),
        ], 0..300)
    ) {
        prop_assert!(quote_keys(&bytes).len() <= 3 * bytes.len());
        let _ = from_slice::<Value>(&bytes);
    }

    #[test]
    fn a_damaged_description_is_an_error_or_another_one(
        at in any::<prop::sample::Index>(), with in any::<u8>(), cut in any::<prop::sample::Index>()
    ) {
        let mut damaged = CLUSTER.to_vec();
        damaged[at.index(CLUSTER.len())] = with;
        let _ = from_slice::<Value>(&damaged);
        let _ = from_slice::<Value>(&damaged[..cut.index(CLUSTER.len())]);
    }
}
