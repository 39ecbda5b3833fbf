//! Opening a gate with its events chosen, for the commands that admit.

use tegata_cli::{
    config,
    data::Lock,
    exit::{Exit, Failure},
};

use super::Common;
use crate::{
    event::EventName,
    folder::{Folder, FolderError},
    gate::{ChoiceError, Gate},
    open::OpenError,
    settings::Settings,
};

/// A gate that may be used as long as the lock is held.
pub(super) struct Opened {
    pub(super) folder: Folder,
    pub(super) settings: Settings,
    pub(super) gate: Gate,
    pub(super) lock: Lock,
}

/// Opens the gate, its events chosen.
pub(super) fn open(common: &Common, events: &[EventName]) -> Result<Opened, Failure> {
    let opened = unchosen(common)?;
    let chosen = opened.gate.choose(opened.settings.chosen(events));
    chosen.map_err(choice_failure)?;
    Ok(opened)
}

/// As [`open`], but a gate without check data stays closed until some are loaded.
pub(super) fn open_for_serving(common: &Common, events: &[EventName]) -> Result<Opened, Failure> {
    let opened = unchosen(common)?;
    match opened.gate.choose(opened.settings.chosen(events)) {
        Ok(()) => {}
        Err(error @ ChoiceError::NothingLoaded) => {
            tracing::warn!(%error, "the gate stays closed until check data are loaded");
        }
        Err(error) => return Err(choice_failure(error)),
    }
    Ok(opened)
}

fn unchosen(common: &Common) -> Result<Opened, Failure> {
    let folder = common.folder()?;
    let lock = folder.lock().map_err(FolderError::into_failure)?;
    let settings: Settings = config::load(folder.dir(), "gate")?;
    let gate = Gate::open(&folder).map_err(|error| match error {
        OpenError::Folder(error) => error.into_failure(),
        OpenError::Store(error) => FolderError::from(error).into_failure(),
    })?;
    Ok(Opened {
        folder,
        settings,
        gate,
        lock,
    })
}

fn choice_failure(error: ChoiceError) -> Failure {
    let next = match &error {
        ChoiceError::NothingLoaded => "tegata-gate load --data DIR FILE",
        ChoiceError::NoneChosen(_) | ChoiceError::Unknown { .. } => {
            "choose with --event N, or `events` in gate.toml"
        }
        ChoiceError::Ambiguous { .. } => "name the shop too: --event SHOP/N",
    };
    Failure::new(Exit::Usage, error).next(next)
}
