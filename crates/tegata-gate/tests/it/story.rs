//! The gate's day, by the program itself: join, load, check.

use crate::{process::Folder, shop::Shop};

#[test]
fn a_gate_joins_loads_admits_once_and_refuses_the_second_use() {
    let folder = Folder::ready();
    let shown = folder.shop.show(41);
    let first = folder.check(&shown);
    assert_eq!(first["verdict"], "admitted", "{first}");
    assert_eq!(first["what"], "Concert 1: Stalls, row 12, seat 30");
    let again = folder.check(&shown);
    assert_ne!(again["verdict"], "admitted", "{again}");
    // A moment later the wallet makes another presentation: another signature.
    let later = Shop {
        now: folder.shop.now.after(1),
        ..folder.shop
    };
    let ticket = later.batch().sign(&folder.shop.ticket(41));
    let anew = later.seal(
        &later.presentation(ticket, later.now),
        &crate::shop::holder(),
    );
    let anew = folder.check(&anew);
    assert_eq!(anew["code"], 610, "{anew}");
    assert_eq!(anew["first_use"]["gate"], "North gate");
    assert_eq!(anew["first_use"]["another_presentation"], true);
}
