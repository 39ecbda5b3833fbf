//! When the centre's certificates don't hold, whose fault is it: its own, or this machine's clock?

use tegata_protocol::{
    Time, Validity,
    record::{CentreKey, CentreKeys, Certificate, CertificateError, Certificates, Purpose},
};

use crate::town;

const DAY: u64 = 86_400;

/// Certificates for every purpose that a centre must have.
fn certificates(from: Time) -> Certificates {
    let one = |purpose, key| {
        town::signing(1).sign(&Certificate {
            centre: "Hanamizuki".into(),
            purpose,
            key,
            valid: Validity::new(from, from.after(30 * DAY)).unwrap(),
        })
    };
    let verifying = |seed| CentreKey::Verifying(town::signing(seed).verifying_key());
    Certificates(vec![
        one(Purpose::Register, verifying(2)),
        one(Purpose::Receipts, verifying(3)),
        one(
            Purpose::Opening,
            CentreKey::Sealing(town::opening(4).sealing_key().clone()),
        ),
    ])
}

fn verified(certificates: &Certificates, now: Time) -> Result<CentreKeys, CertificateError> {
    CentreKeys::verify(&town::signing(1).verifying_key(), certificates, now)
}

#[test]
fn a_clock_behind_the_beginning_is_named_with_both_times() {
    let from = town::NOW;
    let certificates = certificates(from);
    verified(&certificates, from).unwrap();
    let now = from.before(1);
    let behind = verified(&certificates, now).unwrap_err();
    let purpose = Purpose::Register;
    assert_eq!(behind, CertificateError::ClockBehind { purpose, from, now });
    let text = behind.to_string();
    for part in [&now.to_string(), &from.to_string(), "set the clock right"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_has_ended_or_was_never_there_is_the_centres_to_renew() {
    let from = town::NOW;
    let ended = verified(&certificates(from), from.after(30 * DAY)).unwrap_err();
    assert_eq!(ended, CertificateError::Missing(Purpose::Register));
    let mut without = certificates(from);
    without.0.remove(1);
    let missing = verified(&without, from).unwrap_err();
    assert_eq!(missing, CertificateError::Missing(Purpose::Receipts));
    // What is there begins later, and what is missing is missing all the same.
    without.0.remove(0);
    let missing = verified(&without, from.before(1)).unwrap_err();
    assert_eq!(missing, CertificateError::Missing(Purpose::Register));
}
