//! A member wants to load the prepaid card (M7): the reply is the reference under which money is expected.

use tegata_bank::PaymentReference as Reference;
use tegata_ledger::{ExpectFunding, FundingExpected, Response};
use tegata_protocol::{
    Amount, Digest, Time, Verified,
    envelope::{Body as _, Message},
    prepaid::{Funding, PaymentReference, PrepaidRequest},
    refusal::Code,
};

use super::{Authenticated, Exchange, Sender, Stop, View};
use crate::{centre::Centre, reply::Recorded, settings::Settings};

/// How long a payment reference is watched for: 90 days.
const REFERENCE_SECONDS: u64 = 90 * 86_400;

/// A request: what its reply says.
pub(super) struct Prepaid {
    reference: PaymentReference,
}

impl Exchange for Prepaid {
    type Body = PrepaidRequest;
    type Operation = ExpectFunding;
    type Found = ();

    const SENDER: Sender = Sender::MEMBER;
    const SAYS: &'static [u16] = &[PaymentReference::LABEL];

    fn read(
        message: &Verified<Message<PrepaidRequest>>,
        view: &View<'_>,
    ) -> Result<(ExpectFunding, ()), Code> {
        let expect = ExpectFunding {
            reference: reference_for(message.digest()).as_str().to_owned(),
            party: message.from,
            amount: Some(message.body.amount),
            expires: view.time.after(REFERENCE_SECONDS),
        };
        Ok((expect, ()))
    }

    fn ask(
        centre: &Centre,
        request: &Authenticated<PrepaidRequest>,
        now: Time,
    ) -> Result<(Self, ExpectFunding), Stop> {
        let (body, settings) = (&request.message.body, &centre.settings);
        check(body, settings.load_min, settings.load_max)?;
        let (expect, ()) = Self::read(&request.message, &centre.view(now))?;
        let reference = answer(body, settings, &expect);
        Ok((Self { reference }, expect))
    }

    fn reply(&self, record: Recorded, _: &FundingExpected) -> Response {
        Response::reply(record.reply(self.reference.clone()))
    }
}

fn answer(body: &PrepaidRequest, settings: &Settings, expect: &ExpectFunding) -> PaymentReference {
    PaymentReference {
        reference: expect.reference.clone(),
        amount: body.amount,
        funding: body.funding,
        account: settings.account.as_str().to_owned(),
        owner: settings.account_owner.clone(),
        expires: expect.expires,
    }
}

/// The reference for a request: it follows from the request's digest, so that the audit finds the same one.
fn reference_for(request: Digest) -> Reference {
    let mut number = [0; 8];
    for (to, from) in number.iter_mut().zip(request.as_bytes()) {
        *to = *from;
    }
    Reference::from_number(u64::from_be_bytes(number))
}

/// The limits are the centre's own, and nobody else can say them: who asks for too little or too much reads
/// how much may be loaded.
fn check(request: &PrepaidRequest, least: Amount, most: Amount) -> Result<(), Stop> {
    if request.amount.currency() != least.currency() {
        return Err(Code::WrongCurrency.into());
    }
    if !(least.minor()..=most.minor()).contains(&request.amount.minor()) {
        let detail = format!("{least} to {most}");
        return Err(Stop::because(Code::AmountOutOfRange, detail));
    }
    match request.funding {
        Funding::Transfer | Funding::Deposit => Ok(()),
        Funding::Credit | Funding::Cash => Err(Code::FundingNotOffered.into()),
    }
}

#[cfg(test)]
mod tests {
    use tegata_protocol::Currency;

    use super::*;

    #[test]
    fn who_asks_for_too_much_is_told_how_much_may_be_loaded() {
        let yen = |minor| Amount::new(minor, Currency::JPY).unwrap();
        let asked = |minor| {
            let (amount, funding) = (yen(minor), Funding::Transfer);
            let request = PrepaidRequest { amount, funding };
            check(&request, yen(500), yen(100_000))
        };
        assert!(asked(500).is_ok() && asked(100_000).is_ok());
        for minor in [499, 100_001] {
            let Err(Stop::Refused(refusal)) = asked(minor) else {
                panic!("{minor} is taken");
            };
            let said = refusal.to_string();
            assert!(said.contains("(JPY 500 to JPY 100,000)"), "{said}");
        }
    }
}
