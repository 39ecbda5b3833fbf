//! Every change of a schema is refused: on a closed database, and while a program has it open.

use tegata_store_attacks::{foreign_parts_are_noticed_while_open, foreign_parts_are_refused};

use crate::{ADD, FILE, Place, SAMPLE};

#[test]
fn every_foreign_part_is_refused() {
    foreign_parts_are_refused(FILE, |folder| {
        SAMPLE.open(&folder.join(FILE))?;
        Ok(())
    });
}

#[test]
fn who_only_reads_refuses_them_too() {
    foreign_parts_are_refused(FILE, |folder| {
        let file = folder.join(FILE);
        if !file.exists() {
            SAMPLE.open(&file)?;
        }
        SAMPLE.open_to_read(&file)?;
        Ok(())
    });
}

#[test]
fn what_is_added_while_the_database_is_open_is_noticed() {
    let place = Place::new();
    let mut connection = SAMPLE.open(&place.file()).unwrap();
    foreign_parts_are_noticed_while_open(&place.file(), |n| {
        Ok(connection.write(|c| c.write_one(ADD, (n, n.to_string())))?)
    });
    let count = connection.one("SELECT count(*) FROM entry", [], |row| row.number(0));
    assert_eq!(count.unwrap(), 8, "of what was refused nothing is there");
}

#[test]
fn so_is_it_by_a_shared_one() {
    let place = Place::new();
    let shared = SAMPLE.share(&place.file()).unwrap();
    foreign_parts_are_noticed_while_open(&place.file(), |n| {
        Ok(shared.write(move |c| c.write_one(ADD, (n, n.to_string())))?)
    });
}
