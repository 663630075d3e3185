//! Our sixty lines against the reference library, and against forgers.

use standardwebhooks::Webhook;

use super::*;

const ID: &str = "0198f3c2-7a41-7c10-9b1e-5d3f0a6c2e11";
const NOW: i64 = 1_700_000_000;

fn secret(seed: u8) -> Secret {
    Secret::from_bytes(&[seed; 32]).unwrap()
}

fn check(secrets: &[Secret], header: &str, body: &[u8]) -> Result<usize, VerifyError> {
    verify(secrets, ID, NOW, header, body, NOW, 300)
}

#[test]
fn the_example_of_the_specification_comes_out() {
    let secret: Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
    let header = sign(
        &[secret],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1_614_265_330,
        br#"{"test": 2432232314}"#,
    );
    assert_eq!(header, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

proptest::proptest! {
    #[test]
    fn signatures_equal_the_reference_librarys(
        key in proptest::collection::vec(proptest::num::u8::ANY, 24..=64),
        body in "\\PC{0,200}",
        timestamp in 0_i64..4_000_000_000,
    ) {
        let ours = Secret::from_bytes(&key).unwrap();
        let theirs = Webhook::from_bytes(key).unwrap();
        let header = sign(&[ours], ID, timestamp, body.as_bytes());
        proptest::prop_assert_eq!(header, theirs.sign(ID, timestamp, body.as_bytes()).unwrap());
    }
}

#[test]
fn each_of_several_secrets_signs_and_verifies() {
    let both = [secret(1), secret(2)];
    let header = sign(&both, ID, NOW, b"body");
    assert_eq!(header.split(' ').count(), 2);
    assert_eq!(check(&[secret(1)], &header, b"body"), Ok(0));
    assert_eq!(check(&[secret(2)], &header, b"body"), Ok(0));
    assert_eq!(check(&[secret(9), secret(2)], &header, b"body"), Ok(1));
}

#[test]
fn bytes_that_are_not_text_are_signed_as_they_are() {
    let body = [0, 159, 146, 150, 255];
    let header = sign(&[secret(1)], ID, NOW, &body);
    assert_eq!(check(&[secret(1)], &header, &body), Ok(0));
}

#[test]
fn a_change_of_anything_signed_is_noticed() {
    let secrets = [secret(1)];
    let header = sign(&secrets, ID, NOW, b"body");
    let verify_as = |id, at, body| verify(&secrets, id, at, &header, body, NOW, 300);
    assert_eq!(verify_as(ID, NOW, b"body".as_slice()), Ok(0));
    assert_eq!(verify_as("other", NOW, b"body"), Err(VerifyError::NoMatch));
    assert_eq!(verify_as(ID, NOW + 1, b"body"), Err(VerifyError::NoMatch));
    assert_eq!(verify_as(ID, NOW, b"bodY"), Err(VerifyError::NoMatch));
    assert_eq!(
        check(&[secret(2)], &header, b"body"),
        Err(VerifyError::NoMatch)
    );
    assert_eq!(check(&[], &header, b"body"), Err(VerifyError::NoMatch));
}

#[test]
fn a_cut_or_garbled_signature_never_matches() {
    let secrets = [secret(1)];
    let header = sign(&secrets, ID, NOW, b"body");
    let tag = STANDARD.decode(&header[3..]).unwrap();
    for length in 0..tag.len() {
        let cut = format!("v1,{}", STANDARD.encode(&tag[..length]));
        assert!(check(&secrets, &cut, b"body").is_err(), "{length} bytes");
    }
    for bad in ["", "v1", "v1,", "v1,***", "v2,AAAA", &header[3..]] {
        let result = check(&secrets, bad, b"body");
        assert!(result.is_err(), "{bad:?}");
    }
    let with_noise = format!("v1a,xyz v2,AAAA {header}");
    assert_eq!(check(&secrets, &with_noise, b"body"), Ok(0));
}

#[test]
fn five_minutes_either_way_are_accepted_and_no_more() {
    let secrets = [secret(1)];
    let at = |signed| {
        let header = sign(&secrets, ID, signed, b"x");
        verify(&secrets, ID, signed, &header, b"x", NOW, 300)
    };
    assert_eq!(at(NOW - 300), Ok(0));
    assert_eq!(at(NOW + 300), Ok(0));
    assert!(matches!(
        at(NOW - 301),
        Err(VerifyError::TooOld { age_s: 301, .. })
    ));
    assert!(matches!(
        at(NOW + 301),
        Err(VerifyError::TooNew { ahead_s: 301, .. })
    ));
    assert!(at(i64::MIN).is_err());
    assert!(at(i64::MAX).is_err());
}

#[test]
fn secrets_are_24_to_64_bytes_and_stay_hidden() {
    let text = secret(7).expose();
    assert!(text.starts_with("whsec_"));
    assert_eq!(text.parse::<Secret>().unwrap().expose(), text);
    for size in [0, 23, 65] {
        let text = format!("whsec_{}", STANDARD.encode(vec![1; size]));
        assert!(text.parse::<Secret>().is_err(), "{size}");
    }
    for bad in [
        "",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_not base64 at all",
    ] {
        let error = bad.parse::<Secret>().unwrap_err();
        assert_eq!(error.value, "(hidden)");
    }
    assert_eq!(format!("{:?}", secret(7)), "Secret(hidden)");
}
