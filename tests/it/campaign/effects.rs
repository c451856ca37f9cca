//! Side effects under kills: every message adds a line of its own to a file, and no line is ever there twice.

use super::Orders;
use super::kill::kills;

#[test]
fn nothing_is_done_twice() {
    Orders::new(16, 2).run("effects", |orders| Some(kills(orders, 1)));
}
