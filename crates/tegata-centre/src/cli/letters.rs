//! `tegata-centre applications`: from an application to the letter with its number and code.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use tegata_cli::{
    data::DataDir,
    exit::{Exit, Failure, OrExit as _},
};
use tegata_protocol::{
    Digest, Role, Time,
    joining::{Details, Slip},
};

use super::{PARTY, Shown, now, print};
use crate::{
    keys::PublicKeys,
    letter::{self, Letter, Recipient},
    people::People,
    settings::Settings,
};

#[derive(Subcommand, Debug)]
pub(super) enum ApplicationsCommand {
    /// List them
    List(Shown),
    /// Grant one: draw a number and a code, write the letter
    Grant {
        /// The application's number
        application: u64,
        /// Where the letter goes [default: DATA/letters]
        #[arg(long)]
        letters: Option<PathBuf>,
        #[command(flatten)]
        shown: Shown,
    },
    /// Enter one for somebody at the desk
    Add {
        /// member, shop, gate or sealing
        #[arg(long)]
        role: String,
        /// Name
        #[arg(long)]
        name: String,
        /// A line of the postal address; may be repeated
        #[arg(long)]
        postal: Vec<String>,
        #[command(flatten)]
        shown: Shown,
    },
}

/// Runs a command.
///
/// # Errors
/// [`Failure`], with the exit code.
pub(super) fn main(command: ApplicationsCommand) -> Result<(), Failure> {
    match command {
        ApplicationsCommand::List(shown) => list(&shown),
        ApplicationsCommand::Grant {
            application,
            letters,
            shown,
        } => grant(application, letters, &shown),
        ApplicationsCommand::Add {
            role,
            name,
            postal,
            shown,
        } => {
            let role = Role::ALL
                .into_iter()
                .find(|r| word(*r) == role && *r != Role::Centre);
            let role =
                role.ok_or_else(|| Failure::usage("--role: member, shop, gate or sealing"))?;
            let details = Details {
                name,
                postal,
                mail: None,
                account: None,
            };
            details.check().or_exit(Exit::Usage)?;
            let dir = DataDir::open_existing(&shown.data, PARTY)?;
            let id = People::open(dir.path())?.apply(role, &details, now())?;
            print(
                &shown,
                &serde_json::json!({ "application": id }),
                &format!("application {id}"),
            );
            Ok(())
        }
    }
}

fn list(shown: &Shown) -> Result<(), Failure> {
    let dir = DataDir::open_existing(&shown.data, PARTY)?;
    let people = People::open(dir.path())?;
    let (mut json, mut lines) = (Vec::new(), Vec::new());
    for a in people.applications()? {
        let name = people
            .details(a.id)
            .map_or("(erased)".to_owned(), |d| d.name);
        let number = a.number.map(|n| n.to_string());
        let shown = number.as_deref().unwrap_or("waiting");
        let (role, received) = (word(a.role), a.received);
        lines.push(format!(
            "{:>5}  {role:<6}  {received}  {shown:<13}  {name}",
            a.id
        ));
        json.push(serde_json::json!({ "application": a.id, "role": role,
            "received": received.secs(), "number": number, "name": name }));
    }
    print(shown, &json.into(), &lines.join("\n"));
    Ok(())
}

fn grant(application: u64, letters: Option<PathBuf>, shown: &Shown) -> Result<(), Failure> {
    let dir = DataDir::open_existing(&shown.data, PARTY)?;
    let (settings, public) = (Settings::load(&dir)?, PublicKeys::open(&dir, now())?);
    let terms = Digest::of(&dir.read("terms.txt")?);
    let expires = now().after(settings.code_seconds);
    let people = People::open(dir.path())?;
    let granted = people.grant(application, terms, (now(), expires))?;
    let slip = Slip {
        centre: settings.address.clone(),
        root: public.root,
        number: granted.number,
        code: granted.code,
        terms,
    };
    let letter = letter_for(&settings, &slip, &granted.details, expires);
    let folder = match letters {
        Some(folder) => folder,
        None => dir.file("letters")?,
    };
    let folder = Folder::open(&folder)?;
    let name = granted.number.to_string();
    folder.write(&format!("{name}.html"), letter::html(&letter)?.as_bytes())?;
    let pdf = letter::pdf(&letter);
    match &pdf {
        Ok(bytes) => folder.write(&format!("{name}.pdf"), bytes)?,
        Err(e) => eprintln!("no PDF: {e}"),
    }
    folder.write(&format!("{name}.slip"), slip.reveal().as_bytes())?;
    let html = folder.0.join(format!("{name}.html"));
    let json = serde_json::json!({
        "number": name, "letter": html.display().to_string(),
        "slip": folder.0.join(format!("{name}.slip")).display().to_string(),
    });
    print(
        shown,
        &json,
        &format!("{name}: letter in {}", html.display()),
    );
    Ok(())
}

/// A folder for letters: they're secret until used.
struct Folder(PathBuf);

impl Folder {
    fn open(path: &Path) -> Result<Self, Failure> {
        tegata_cli::data::make_dir(path)?;
        Ok(Self(path.to_owned()))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(self.0.join(name)).or_exit(Exit::Refused)?;
        file.write_all(bytes).or_exit(Exit::Refused)
    }
}

fn letter_for(settings: &Settings, slip: &Slip, details: &Details, expires: Time) -> Letter {
    let recipient = match slip.number.role() {
        Role::Member => Recipient::Member,
        Role::Shop | Role::Centre => Recipient::Shop,
        Role::Gate => Recipient::Gate,
        Role::Sealing => Recipient::Sealing,
    };
    let day = |time: Time| time.to_string().chars().take(10).collect();
    let mut addressee = vec![details.name.clone()];
    addressee.extend(details.postal.iter().cloned());
    Letter {
        recipient,
        centre_name: settings.name.clone(),
        centre_address: vec![settings.account_owner.clone()],
        web: settings.address.clone(),
        addressee,
        date: day(now()),
        number: slip.number.to_string(),
        activation_code: slip.code.reveal(),
        expires: day(expires),
        root_fingerprint: Digest::from_bytes(*slip.root.as_bytes()).to_string(),
        terms_title: format!("Terms of {}", settings.name),
        terms_digest: slip.terms.to_string(),
        slip: slip.reveal(),
    }
}

const fn word(role: Role) -> &'static str {
    match role {
        Role::Member => "member",
        Role::Shop => "shop",
        Role::Gate => "gate",
        Role::Sealing => "sealing",
        Role::Centre => "centre",
    }
}
