//! `join`, `restore`, `words`, `password`: what has to do with keys.

use std::path::Path;

use serde_json::json;
use tegata_cli::exit::Failure;
use tegata_party::client::Client;
use tegata_protocol::{
    Time, VerifyingKey,
    joining::{ActivationCode, Details, Slip},
};

use super::{
    args::{JoinArgs, PasswordArgs, RestoreArgs, SlipArgs, SpendArgs, WhichPassword},
    ask::{self, open},
    draw,
    failure::failure,
    output::Output,
};
use crate::{
    error::WalletError,
    joining::{NewWallet, TypedSlip, When, state_of},
    restoring::Home,
    vault::{Cost, Master, Password, Passwords, Strokes},
    wallet::{Access, Wallet, rng},
};

/// Makes the wallet, or takes the one whose registration wasn't accepted yet.
pub(super) fn join(folder: &Path, args: &JoinArgs, out: &Output, now: Time) -> Result<(), Failure> {
    let slip = slip_of(&args.slip)?;
    let details = Details {
        name: args.name.clone(),
        postal: args.postal.clone(),
        mail: args.mail.clone(),
        account: None,
    };
    // Nothing is made before the terms are agreed to.
    match args.later {
        true => args.consent.ask_offline(&slip)?,
        false => args.consent.ask(&Client::default(), &slip)?,
    }
    let fresh_keys = !folder.join("vault.tegata").exists();
    let (mut wallet, b) = if !fresh_keys {
        if args.drawn.draw {
            eprintln!("The keys are there already: nothing is drawn for them any more.");
        }
        existing(folder, args)?
    } else {
        fresh(folder, args, &slip)?
    };
    let when = if args.later { When::Later } else { When::Now };
    // The words come first: they count even if the centre can't be reached.
    if fresh_keys && !args.no_words && !out.json {
        out.words(&wallet.words(&b).map_err(failure)?);
    }
    let settled = wallet.register(&slip, details, &b, when, now);
    settled.map_err(|e| out.failed(e))?;
    let status = wallet.view_status(now).map_err(failure)?;
    let text = if status.registered() {
        format!("Registered as {}.", slip.number)
    } else {
        format!(
            "The registration of {} is signed and kept. Send it within 30 days with \
             `tegata-wallet send`; password A is enough for that.",
            slip.number
        )
    };
    out.value(&status, &text)
}

fn fresh(folder: &Path, args: &JoinArgs, slip: &Slip) -> Result<(Wallet, Password), Failure> {
    let strokes = strokes_of(args)?;
    let (passwords, _, b) = ask::new_passwords(&args.a, &args.b, args.one_password)?;
    let new = NewWallet {
        master: Master::generate(&mut rng(), strokes.as_ref()),
        passwords: &passwords,
        cost: Cost::STANDARD,
    };
    let wallet = new.make(folder, &state_of(slip)).map_err(failure)?;
    Ok((wallet, b))
}

/// Strokes from wherever they are to come, or none.
fn strokes_of(args: &JoinArgs) -> Result<Option<Strokes>, Failure> {
    if args.drawn.draw {
        return draw::for_keys(&args.drawn);
    }
    let Some(file) = &args.strokes else {
        return Ok(None);
    };
    let parsed = Strokes::parse(&zeroize::Zeroizing::new(ask::read_text(file)?));
    Ok(Some(parsed.map_err(|e| failure(e.into()))?))
}

fn existing(folder: &Path, args: &JoinArgs) -> Result<(Wallet, Password), Failure> {
    let (wallet, given) = open(folder, Access::Writing, &args.a)?;
    let b = given.b(wallet.form(), &args.a, &args.b)?;
    Ok((wallet, b))
}

/// The letter, from wherever it was given.
fn slip_of(args: &SlipArgs) -> Result<Slip, Failure> {
    if let Some(line) = &args.slip {
        return Slip::in_letter(line).map_err(|e| failure(WalletError::Input(e)));
    }
    if let Some(file) = &args.slip_file {
        return ask::letter(file);
    }
    let part = |p: &Option<String>| p.clone().unwrap_or_default();
    let (centre, root) = (part(&args.centre), part(&args.root));
    let (number, terms) = (part(&args.number), part(&args.terms));
    let code: ActivationCode = part(&args.code)
        .parse()
        .map_err(|e| failure(WalletError::Input(e)))?;
    let typed = TypedSlip {
        centre: &centre,
        root: &root,
        number: &number,
        terms: &terms,
    };
    typed.with_code(code).map_err(failure)
}

/// Makes the wallet again.
pub(super) fn restore(
    folder: &Path,
    args: &RestoreArgs,
    out: &Output,
    now: Time,
) -> Result<(), Failure> {
    let words = ask::words(args.words_file.as_deref())?;
    let master = Master::from_words(&words).map_err(|e| failure(e.into()))?;
    let home = home_of(args)?;
    let (passwords, _, _) = ask::new_passwords(&args.a, &args.b, args.one_password)?;
    let new = NewWallet {
        master,
        passwords: &passwords,
        cost: Cost::STANDARD,
    };
    if let Some(copy) = &args.history {
        crate::restoring::bring_history(folder, copy).map_err(failure)?;
    }
    let asked = home.is_some();
    let mut wallet = new.restore(folder, home, now).map_err(failure)?;
    let mut text = "Restored.\n".to_owned();
    if asked {
        match bring_back(&mut wallet, &args.shop, now) {
            Ok(brought) => text.push_str(&brought),
            Err(error) => out.note(&format!(
                "The wallet is restored, but not all came back: {error}. Run `tegata-wallet \
                 collect` later."
            )),
        }
    }
    let status = wallet.view_status(now).map_err(failure)?;
    text.push_str(&status.to_string());
    out.value(&status, &text)
}

/// What the centre still knows of a member: balance, cards, deliveries.
fn bring_back(wallet: &mut Wallet, shops: &[String], now: Time) -> Result<String, WalletError> {
    wallet.balance(now)?;
    for shop in shops {
        wallet.meet_shop(shop, now)?;
    }
    let collected = wallet.collect(now)?;
    Ok(format!("{}\n", wallet.view_collected(&collected)?))
}

fn home_of(args: &RestoreArgs) -> Result<Option<Home>, Failure> {
    let (Some(centre), Some(root)) = (&args.centre, &args.root) else {
        return Ok(None);
    };
    let input = |e| failure(WalletError::Input(e));
    let wrong = || Failure::usage("--root isn't 64 hex digits");
    let root = tegata_protocol::Digest::from_hex(root).ok_or_else(wrong)?;
    Ok(Some(Home {
        centre: centre.clone(),
        root: VerifyingKey::from_bytes(root.as_bytes()).map_err(input)?,
    }))
}

/// Shows the 24 words.
pub(super) fn words(folder: &Path, args: &SpendArgs, out: &Output) -> Result<(), Failure> {
    let (wallet, given) = open(folder, Access::Reading, &args.a)?;
    let b = given.b(wallet.form(), &args.a, &args.b)?;
    let words = wallet.words(&b).map_err(failure)?;
    out.words(&words);
    Ok(())
}

/// Changes a password.
pub(super) fn password(folder: &Path, args: &PasswordArgs, out: &Output) -> Result<(), Failure> {
    let (mut wallet, given) = open(folder, Access::Writing, &args.a)?;
    let old_b = match args.which {
        WhichPassword::A => None,
        WhichPassword::B | WhichPassword::Only => Some(given.b(wallet.form(), &args.a, &args.b)?),
    };
    let new = ask::vault_password(&args.new.read_new()?);
    let changed = match (args.which, old_b) {
        (WhichPassword::B, Some(old)) => wallet.change_b(&old, &new),
        (WhichPassword::Only, Some(old)) => {
            let only = Passwords::one(new).map_err(|e| failure(WalletError::Vault(e.into())))?;
            wallet.change_only(&old, &only)
        }
        _ => wallet.change_a(&new),
    };
    changed.map_err(failure)?;
    let which = match args.which {
        WhichPassword::A => "A",
        WhichPassword::B => "B",
        WhichPassword::Only => "only",
    };
    let text = "The password is changed. Copies of the vault made before open with the old one.";
    out.value(&json!({ "changed": which }), text)
}
