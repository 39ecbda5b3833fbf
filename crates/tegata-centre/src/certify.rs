//! `tegata-centre root certify`: the root vouches for the keys with which the centre works (M11).

use tegata_cli::{data::DataDir, exit::Failure, password::Password};
use tegata_protocol::{
    SigningKey, Time, Validity, cbor,
    record::{CERTIFICATE_SECONDS, CentreKey, CentreKeys, Certificate, Certificates, Purpose},
};

use crate::{
    credit,
    keys::{
        CERTIFICATES, OperationalKeys, ROOT_PUBLIC, ROOT_SECRET, SealedKeyFile, hex, read_cbor,
    },
};

/// The root certifies the operational keys in `dir` for `days` days from `now` (M11).
///
/// # Errors
/// [`Failure`].
pub fn certify(
    root: &DataDir,
    dir: &DataDir,
    password: &Password,
    centre: &str,
    (now, days): (Time, u32),
) -> Result<Certificates, Failure> {
    let root = SealedKeyFile::open(root, ROOT_SECRET, password)?;
    let keys = OperationalKeys::open(dir)?;
    let credit = credit::key::sealing(dir)?;
    let seconds = u64::from(days).saturating_mul(86_400);
    if !(86_400..=CERTIFICATE_SECONDS).contains(&seconds) {
        let most = CERTIFICATE_SECONDS / 86_400;
        return Err(Failure::usage(format!(
            "--days {days}: certificates hold for 1 to {most} days, a leap year at most"
        ))
        .next("certify again each year, before they end"));
    }
    // An hour back: not everybody's clock is right.
    let valid = Validity::new(now.before(3600), now.before(3600).after(seconds));
    let valid = valid.map_err(|e| Failure::usage(format!("--days: {e}")))?;
    let verifying = |key: &SigningKey| CentreKey::Verifying(key.verifying_key());
    let purposes = [
        (Purpose::Register, verifying(&keys.register)),
        (Purpose::Receipts, verifying(&keys.receipts)),
        (Purpose::DebitOrders, verifying(&keys.debit_orders)),
        (Purpose::Lists, verifying(&keys.lists)),
        (
            Purpose::Opening,
            CentreKey::Sealing(keys.opening.sealing_key().clone()),
        ),
    ];
    // A centre that takes no card numbers has no key for them.
    let credit = credit.map(|key| (Purpose::Credit, CentreKey::Sealing(key)));
    let sign = |(purpose, key)| {
        let centre = centre.to_owned();
        root.sign(&Certificate {
            centre,
            purpose,
            key,
            valid,
        })
    };
    let certificates = Certificates(purposes.into_iter().chain(credit).map(sign).collect());
    let root_key = root.verifying_key();
    CentreKeys::verify(&root_key, &certificates, now)
        .map_err(|e| Failure::usage(format!("these certificates wouldn't hold: {e}")))?;
    if dir.read_optional(CERTIFICATES)?.is_some() {
        credit::remember_certificate(dir, &read_cbor(dir, CERTIFICATES)?)?;
    }
    dir.write_atomic(CERTIFICATES, &cbor::encode(&certificates))?;
    dir.write_atomic(ROOT_PUBLIC, hex(root_key.as_bytes()).as_bytes())?;
    Ok(certificates)
}
