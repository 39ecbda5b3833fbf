//! Power cuts and disk errors at every step of everything that writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use tegata_keystore::vault::{Disk, FileName, OpenVault, Passwords, Record, VaultError};

use crate::model_disk::{Fault, ModelDisk, PARTS, Part, Plan};
use crate::{A, B, TestRng, make, open, pw, test_rng, two};

const NEW_A: &str = "another for every day";
const NEW_B: &str = "another for spending";
const ONE: &str = "the only password";

type Files = BTreeMap<FileName, Vec<u8>>;

/// What a vault is seen to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    a: &'static str,
    b: &'static str,
    state: Vec<u8>,
    spending_state: Vec<u8>,
    records: Vec<u8>,
    spending_seed: [u8; 32],
}

/// Opens whatever opens. None if nothing does.
fn look(files: &Files) -> Option<Seen> {
    let disk: Arc<dyn Disk> = Arc::new(ModelDisk::holding(files));
    let pairs = [(A, B), (NEW_A, B), (A, NEW_B), (ONE, ONE)];
    pairs.into_iter().find_map(|(a, b)| {
        let vault = open(&disk, a).ok()?;
        let inner = |s: &tegata_keystore::vault::SpendingSecrets| (*s.seed(), s.state().to_vec());
        let (spending_seed, spending_state) = vault.with_spending(&pw(b), inner).ok()?;
        let history = vault.history().ok()?;
        let records = history.records().ok()?;
        Some(Seen {
            a,
            b,
            state: vault.state().to_vec(),
            spending_state,
            records: records.iter().map(|r| r.kind).collect(),
            spending_seed,
        })
    })
}

/// A vault with a state and three records, synced.
fn usual() -> Files {
    let model = Arc::new(ModelDisk::default());
    let disk: Arc<dyn Disk> = model.clone();
    let mut rng = test_rng(1);
    let mut vault = make(&disk, &two(), b"first", &mut rng).unwrap();
    let mut history = vault.history().unwrap();
    for kind in 1..=3 {
        history.append(&record(kind), &mut rng).unwrap();
    }
    vault.keep_checkpoint(&history, &mut rng).unwrap();
    model.files()
}

fn record(kind: u8) -> Record {
    Record {
        kind,
        time: u64::from(kind),
        body: vec![kind; 100],
    }
}

/// Something that writes: to the vault as it was opened, or to an empty folder.
type Act = fn(Option<&mut OpenVault>, &Arc<dyn Disk>, &mut TestRng) -> Result<(), VaultError>;

fn acts() -> Vec<(&'static str, Act)> {
    vec![
        ("create", |_, disk, rng| {
            make(disk, &two(), b"first", rng).map(drop)
        }),
        ("set the state", |v, _, rng| {
            v.unwrap().set_state(b"second, and longer", rng)
        }),
        ("set the state under B", |v, _, rng| {
            v.unwrap().set_spending_state(&pw(B), b"second", rng)
        }),
        ("change A", |v, _, rng| v.unwrap().change_a(&pw(NEW_A), rng)),
        ("change B", |v, _, rng| {
            v.unwrap().change_b(&pw(B), &pw(NEW_B), rng)
        }),
        ("change to one password", |v, _, rng| {
            let one = Passwords::one(pw(ONE)).unwrap();
            v.unwrap().change_passwords(&pw(B), &one, rng)
        }),
        ("append to the history", |v, _, rng| {
            v.unwrap().history()?.append(&record(4), rng)
        }),
        ("append and keep a checkpoint", |v, _, rng| {
            let vault = v.unwrap();
            let mut history = vault.history()?;
            history.append(&record(4), rng)?;
            vault.keep_checkpoint(&history, rng)
        }),
    ]
}

/// One run of an act on a fresh disk.
struct Run {
    model: Arc<ModelDisk>,
    disk: Arc<dyn Disk>,
    vault: Option<OpenVault>,
    result: Result<(), VaultError>,
}

fn run(name: &str, act: Act, plan: Option<Plan>) -> Run {
    let before = before(name);
    let model = Arc::new(ModelDisk::holding(&before));
    let disk: Arc<dyn Disk> = model.clone();
    let mut vault = (!before.is_empty()).then(|| open(&disk, A).unwrap());
    model.plan(plan);
    let result = act(vault.as_mut(), &disk, &mut test_rng(2));
    Run {
        model,
        disk,
        vault,
        result,
    }
}

fn before(name: &str) -> Files {
    if name == "create" {
        Files::new()
    } else {
        usual()
    }
}

#[test]
fn a_power_cut_leaves_the_old_or_the_new() {
    let (mut cuts, mut states) = (0, 0);
    for (name, act) in acts() {
        let old = look(&before(name));
        let calm = run(name, act, None);
        calm.result.unwrap();
        let new = look(&calm.model.files());
        assert!(new.is_some() && new != old, "{name}: nothing happened");
        let steps = calm.model.steps();
        let mut here = 0;
        for step in 0..steps {
            for part in PARTS {
                let fault = Fault::Cut;
                let cut = run(name, act, Some(Plan { step, part, fault }));
                assert!(cut.result.is_err(), "{name}: success without power");
                for files in cut.model.after_power_cut() {
                    let seen = look(&files);
                    assert!(
                        seen == old || seen == new,
                        "{name}, {part:?} of step {step}: {seen:?}"
                    );
                    continue_after(name, &files);
                    here += 1;
                }
                cuts += 1;
            }
        }
        for files in calm.model.after_power_cut() {
            assert_eq!(look(&files), new, "{name}: success that doesn't last");
            here += 1;
        }
        println!("{name}: {steps} steps, {here} states after a cut, each old or new");
        states += here;
    }
    println!("{cuts} cuts, {states} states looked at");
}

/// Life goes on: everything can be written again, and lasts.
fn continue_after(name: &str, files: &Files) {
    let model = Arc::new(ModelDisk::holding(files));
    let disk: Arc<dyn Disk> = model.clone();
    let mut rng = test_rng(3);
    if look(files).is_none() {
        assert_eq!(name, "create");
        make(&disk, &two(), b"again", &mut rng).unwrap();
        return;
    }
    let a = look(files).unwrap().a;
    let mut vault = open(&disk, a).unwrap();
    let mut history = vault.history().unwrap();
    let count = history.len();
    history.append(&record(9), &mut rng).unwrap();
    vault.set_state(b"third", &mut rng).unwrap();
    for files in model.after_power_cut() {
        let seen = look(&files).unwrap();
        assert_eq!(seen.state, b"third");
        assert_eq!(seen.records.len() as u64, count + 1);
        assert_eq!(seen.records.last(), Some(&9));
    }
}

#[test]
fn a_disk_error_leaves_the_old_or_the_new_and_the_vault_usable() {
    let mut errors = 0;
    for (name, act) in acts().into_iter().filter(|(name, _)| *name != "create") {
        let old = look(&before(name));
        let calm = run(name, act, None);
        let new = look(&calm.model.files());
        for step in 0..calm.model.steps() {
            for part in PARTS {
                let fault = Fault::Error;
                let mut failed = run(name, act, Some(Plan { step, part, fault }));
                failed.model.plan(None);
                assert!(matches!(failed.result, Err(VaultError::Disk { .. })));
                for files in failed.model.after_power_cut() {
                    let seen = look(&files);
                    assert!(partly(name, &seen, &old, &new), "{name}: {seen:?}");
                }
                let vault = failed.vault.as_mut().unwrap();
                assert_eq!(vault.state(), old.as_ref().unwrap().state);
                assert_eq!(vault.checkpoint().records(), 3);
                vault.set_state(b"else", &mut test_rng(4)).unwrap();
                for files in failed.model.after_power_cut() {
                    let seen = look(&files).unwrap();
                    assert!(undone(&seen, old.as_ref().unwrap()), "{name}: {seen:?}");
                }
                act(Some(vault), &failed.disk, &mut test_rng(4)).unwrap();
                for files in failed.model.after_power_cut() {
                    let seen = look(&files).unwrap();
                    assert!(done(name, &seen, new.as_ref().unwrap()), "{name}: {seen:?}");
                }
                errors += 1;
            }
        }
    }
    println!("{errors} disk errors, each survived and the act then done again");
}

/// What failed isn't written by a later write either.
fn undone(seen: &Seen, old: &Seen) -> bool {
    let inner = |seen: &Seen| (seen.a, seen.b, seen.spending_state.clone());
    seen.state == b"else" && inner(seen) == inner(old)
}

/// The act with two writes may have done the first.
fn partly(name: &str, seen: &Option<Seen>, old: &Option<Seen>, new: &Option<Seen>) -> bool {
    seen == old || seen == new || name == "append and keep a checkpoint" && seen.is_some()
}

/// Appending again after an error may find the first one written after all.
fn done(name: &str, seen: &Seen, new: &Seen) -> bool {
    let records = if name.starts_with("append") {
        seen.records.starts_with(&new.records) && seen.records.ends_with(&[4])
    } else {
        seen.records == new.records
    };
    let inner = |seen: &Seen| (seen.a, seen.b, seen.spending_state.clone());
    let state = if name == "set the state" {
        &new.state[..]
    } else {
        b"else"
    };
    records && seen.state == state && inner(seen) == inner(new)
}

#[test]
fn a_history_that_stays_open_survives_errors_and_cuts() {
    let mut states = 0;
    for step in 0..2 {
        for part in PARTS {
            for later in [None, Some(0), Some(1), Some(2), Some(3)] {
                states += append_after_error(step, part, later);
            }
        }
    }
    println!("{states} states of the history, none lost a record");
}

/// An append fails; the same history appends again, where the power may go too.
fn append_after_error(step: usize, part: Part, cut_at: Option<usize>) -> usize {
    let model = Arc::new(ModelDisk::holding(&usual()));
    let disk: Arc<dyn Disk> = model.clone();
    let mut rng = test_rng(5);
    let mut history = open(&disk, A).unwrap().history().unwrap();
    let fault = Fault::Error;
    model.plan(Some(Plan { step, part, fault }));
    history.append(&record(4), &mut rng).unwrap_err();
    model.plan(cut_at.map(|step| Plan {
        step,
        part,
        fault: Fault::Cut,
    }));
    let second = history.append(&record(5), &mut rng);
    let worlds = model.after_power_cut();
    for files in &worlds {
        let seen = look(files).expect("the vault opens").records;
        assert!(seen.starts_with(&[1, 2, 3]), "lost one: {seen:?}");
        let allowed: &[&[u8]] = match second {
            Ok(()) => &[&[5]],
            Err(_) => &[&[], &[4], &[5]],
        };
        assert!(allowed.contains(&&seen[3..]), "{second:?}: {seen:?}");
    }
    worlds.len()
}

#[test]
fn a_torn_end_is_said_and_dropped() {
    let files = usual();
    let whole = files[&FileName::History].clone();
    let model = Arc::new(ModelDisk::holding(&files));
    let disk: Arc<dyn Disk> = model.clone();
    let mut rng = test_rng(6);
    let mut history = open(&disk, A).unwrap().history().unwrap();
    history.append(&record(4), &mut rng).unwrap();
    let longer = model.files()[&FileName::History].clone();
    for length in whole.len() + 1..longer.len() {
        let mut torn = files.clone();
        torn.insert(FileName::History, longer[..length].to_vec());
        let model = Arc::new(ModelDisk::holding(&torn));
        let disk: Arc<dyn Disk> = model.clone();
        let mut history = open(&disk, A).unwrap().history().unwrap();
        let end = history.torn_end().expect("a torn end");
        assert_eq!((end.records, end.bytes), (3, (length - whole.len()) as u64));
        assert_eq!(history.records().unwrap().len(), 3);
        history.append(&record(5), &mut rng).unwrap();
        assert_eq!(look(&model.files()).unwrap().records, [1, 2, 3, 5]);
    }
    println!("{} torn ends", longer.len() - whole.len() - 1);
}

#[test]
fn a_power_cut_while_a_new_history_begins_loses_neither() {
    let damaged = {
        let mut files = usual();
        files.get_mut(&FileName::History).unwrap()[100] ^= 1;
        files
    };
    let begin = |plan| {
        let model = Arc::new(ModelDisk::holding(&damaged));
        let disk: Arc<dyn Disk> = model.clone();
        let mut vault = open(&disk, A).unwrap();
        model.plan(plan);
        let result = vault.begin_new_history(&mut test_rng(7));
        (model, result)
    };
    let (calm, result) = begin(None);
    result.unwrap();
    assert!(look(&calm.files()).unwrap().records.is_empty());
    for step in 0..calm.steps() {
        for part in PARTS {
            let fault = Fault::Cut;
            let (model, _) = begin(Some(Plan { step, part, fault }));
            for files in model.after_power_cut() {
                begins_again(&files, &damaged[&FileName::History]);
            }
        }
    }
}

fn begins_again(files: &Files, damaged: &Vec<u8>) {
    let model = Arc::new(ModelDisk::holding(files));
    let disk: Arc<dyn Disk> = model.clone();
    let mut vault = open(&disk, A).unwrap();
    if vault.history().is_err() {
        vault.begin_new_history(&mut test_rng(8)).unwrap();
    }
    let files = model.files();
    assert!(look(&files).unwrap().records.is_empty());
    assert_eq!(&files[&FileName::HistoryAside], damaged);
}
