//! Sealed applications (O13, M1): the form that asks for a number is sealed in the browser by the
//! same program as orders are, and only the centre opens it.
//!
//! The centre is the recipient: its receipts key signs tokens, keys and receipts, and the sealing
//! service knows it by its certificates. Keys lie in the people's database, so that using one up and
//! entering the application are one transaction; the key supply keeps the service supplied. What was
//! opened goes where every application goes: encrypted under a key of its own.

use std::sync::Arc;

use tegata_cli::{
    data::DataDir,
    exit::{Exit, Failure, OrExit as _},
};
use tegata_orders::{Bare, Epochs, Rules};
use tegata_protocol::{Role, Time, joining::Details, order::OrderForm};

use crate::settings::SealedForms;

/// What the centre needs to take sealed applications.
#[derive(Debug)]
pub struct Sealing {
    /// Service, scheme, keys.
    pub rules: Rules,
    /// The origin of the form's frames.
    pub frames: String,
    pub(crate) epochs: Arc<Epochs>,
}

impl Sealing {
    /// Opens what lies in the data folder for it.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn open(dir: &DataDir, set: &SealedForms, now: Time) -> Result<Self, Failure> {
        let epochs = Epochs::open(dir, Arc::new(Bare), now).or_exit(Exit::Damaged)?;
        Ok(Self {
            rules: set.rules.clone(),
            frames: set.frames.clone(),
            epochs: Arc::new(epochs),
        })
    }
}

/// What an applicant fills in.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Application {
    /// As what somebody wants to join.
    pub role: String,
    /// A name.
    pub name: String,
    /// A postal address, its lines separated by line breaks or semicolons.
    pub postal: String,
    /// A mail address, or nothing.
    pub mail: String,
}

impl Application {
    /// What stands in a form that was opened; a field that isn't there is empty.
    pub fn of_form(form: &OrderForm) -> Self {
        let text = |name| form.text(name).unwrap_or_default().to_owned();
        Self {
            role: text("role"),
            name: text("name"),
            postal: text("postal"),
            mail: text("mail"),
        }
    }

    /// Role and details, if they make sense.
    ///
    /// # Errors
    /// What doesn't.
    pub fn read(&self) -> Result<(Role, Details), String> {
        let role = match self.role.as_str() {
            "member" => Role::Member,
            "shop" => Role::Shop,
            "gate" => Role::Gate,
            "sealing" => Role::Sealing,
            other => {
                return Err(format!(
                    "role {other:?}: expected member, shop, gate or sealing"
                ));
            }
        };
        let lines = self.postal.split(['\n', ';']).map(str::trim);
        let lines = lines.filter(|line| !line.is_empty()).map(str::to_owned);
        let details = Details {
            name: self.name.trim().to_owned(),
            postal: lines.collect(),
            mail: Some(self.mail.trim().to_owned()).filter(|mail| !mail.is_empty()),
            account: None,
        };
        details.check().map_err(|e| e.to_string())?;
        Ok((role, details))
    }
}
