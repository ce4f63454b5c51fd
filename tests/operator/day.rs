//! The day itself.

use crate::stage::Stage;
use crate::{crowds, disk, hands};

#[test]
fn a_bad_day_and_nobody_who_watches_notices() {
    let mut stage = Stage::start();
    hands::bodies_of_any_shape(&mut stage);
    hands::names_of_any_kind(&mut stage);
    hands::wrong_validators(&mut stage);
    hands::two_operators(&mut stage);
    hands::too_many_destinations(&mut stage);
    hands::edits_by_hand(&mut stage);
    crowds::signals(&mut stage);
    disk::broken_uploads(&mut stage);
    disk::a_full_disk(&mut stage);
    disk::a_read_only_disk(&mut stage);
    crowds::slow_clients(&mut stage);
    crowds::who_never_reads(&mut stage);
    crowds::a_login_storm(&mut stage);
    crowds::scrapes_and_probes(&mut stage);
    disk::a_huge_library(&mut stage);
    disk::a_log_folder_that_goes(&mut stage);
    stage.end();
}
