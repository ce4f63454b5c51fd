use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("upload-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("videos")).expect("a temporary folder");
        Folder(path)
    }

    fn store(&self) -> Store {
        self.store_on(Box::new(|_| Ok(u64::MAX)))
    }

    fn store_on(&self, free: FreeBytes) -> Store {
        Store::with_free_bytes(self.parts(), self.0.join("videos"), free)
    }

    fn parts(&self) -> PathBuf {
        self.0.join("uploads")
    }

    fn video(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.0.join("videos").join(name)).ok()
    }

    /// How many files lie among the parts.
    fn litter(&self) -> usize {
        fs::read_dir(self.parts()).map_or(0, Iterator::count)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn name(name: &str) -> FileName {
    FileName::try_from(name).expect("a short name")
}

fn idle() -> Snapshot {
    Snapshot::default()
}

fn begin(store: &mut Store, filename: &str, size: u64) -> UploadId {
    store.begin(&name(filename), size, NameTaken::Refuse, &idle()).expect("begun").id
}

#[test]
fn an_id_is_read_as_it_is_shown_and_nothing_else_is() {
    for id in [UploadId(0), UploadId(0xab), UploadId(u64::MAX)] {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
    for text in ["", "0", "00000000000000AB", "+000000000000001", "../../etc/passwd", "ä"] {
        assert_eq!(text.parse::<UploadId>(), Err(NoUploadId), "{text}");
    }
}

#[test]
fn a_file_appears_when_it_is_whole_and_leaves_nothing_behind() {
    let folder = Folder::new("whole");
    let mut store = folder.store();
    let id = begin(&mut store, "a.mp4", 6);
    assert_eq!(store.write(id, 0, b"abc").expect("written"), 3);
    assert_eq!(store.keep(id, &idle()).expect("on the disk"), None, "half of it");
    assert_eq!(folder.video("a.mp4"), None);
    assert_eq!(store.write(id, 3, b"def").expect("written"), 6);
    assert_eq!(store.keep(id, &idle()).expect("kept"), Some(name("a.mp4")));
    assert_eq!(folder.video("a.mp4").as_deref(), Some(&b"abcdef"[..]));
    assert_eq!((folder.litter(), store.known().len()), (0, 0));
    let gone = store.write(id, 6, b"");
    assert!(matches!(gone, Err(UploadError::NotFound)), "{gone:?}");
}

#[test]
fn what_comes_in_is_no_longer_growing_once_it_is_whole() {
    let folder = Folder::new("still");
    let mut store = folder.store();
    let id = begin(&mut store, "a.mp4", 1);
    store.write(id, 0, b"a").expect("written");
    assert!(store.keep(id, &idle()).expect("kept").is_some());
    let metadata = fs::metadata(folder.0.join("videos/a.mp4")).expect("the file");
    assert!(!FileIdentity::of(&metadata).is_growing(crate::system::clock::utc()));
}

#[test]
fn bytes_for_another_place_or_too_many_are_refused_and_nothing_moves() {
    let folder = Folder::new("place");
    let mut store = folder.store();
    let id = begin(&mut store, "a.mp4", 4);
    store.write(id, 0, b"ab").expect("written");
    for offset in [0, 1, 3, u64::MAX] {
        let refused = store.write(id, offset, b"x");
        assert!(matches!(refused, Err(UploadError::WrongOffset { offset: 2 })), "{refused:?}");
    }
    let refused = store.write(id, 2, b"xyz");
    assert!(matches!(refused, Err(UploadError::TooMuch { size: 4, offset: 2 })), "{refused:?}");
    assert_eq!(store.write(id, 2, b"cd").expect("written"), 4);
    assert!(store.keep(id, &idle()).expect("kept").is_some());
    assert_eq!(folder.video("a.mp4").as_deref(), Some(&b"abcd"[..]));
}

#[test]
fn an_upload_goes_on_after_a_restart_where_the_disk_stands() {
    let folder = Folder::new("restart");
    let mut store = folder.store();
    let id = begin(&mut store, "a b.mp4", 6);
    store.write(id, 0, b"abcd").expect("written");
    drop(store);
    // What the disk lost is asked for again.
    let part = folder.parts().join(format!("{id}.part"));
    OpenOptions::new().write(true).open(&part).and_then(|f| f.set_len(3)).expect("cut");
    let mut store = folder.store();
    let known: Vec<_> = store.known().iter().map(|u| (u.id, u.offset, u.size)).collect();
    assert_eq!(known, [(id, 3, 6)]);
    assert_eq!(store.write(id, 3, b"def").expect("written"), 6);
    drop(store);
    // Complete, and the machine stopped before it had its name.
    let mut store = folder.store();
    assert!(store.keep(id, &idle()).expect("kept").is_some());
    assert_eq!(folder.video("a b.mp4").as_deref(), Some(&b"abcdef"[..]));
}

#[test]
fn what_is_broken_among_the_parts_goes_and_what_is_not_ours_stays() {
    let folder = Folder::new("litter");
    drop(folder.store());
    fs::create_dir_all(folder.parts()).expect("a folder");
    let put = |name: &str, text: &str| fs::write(folder.parts().join(name), text).expect("a file");
    put("0000000000000001.part", "no record");
    put("0000000000000002.json", r#"{"filename":"a","size":5,"replace":false}"#);
    put("0000000000000003.json", "no json");
    put("0000000000000003.part", "x");
    put("0000000000000004.json", r#"{"filename":"../evil","size":5,"replace":true}"#);
    put("0000000000000004.part", "x");
    put("0000000000000005.json", r#"{"filename":"longer than it says","size":2,"replace":true}"#);
    put("0000000000000005.part", "xyz");
    put("0000000000000006.json.new", "half");
    put("notes.txt", "a person's");
    put("x.part", "a person's");
    let store = folder.store();
    assert_eq!(store.known(), []);
    let mut left: Vec<_> = fs::read_dir(folder.parts())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["notes.txt", "x.part"]);
}

#[test]
fn a_name_that_is_taken_is_told_before_and_after() {
    let folder = Folder::new("taken");
    let mut store = folder.store();
    let id = begin(&mut store, "a.mp4", 1);
    store.write(id, 0, b"n").expect("written");
    fs::write(folder.0.join("videos/a.mp4"), "old").expect("a file");
    let refused = store.keep(id, &idle());
    assert!(matches!(refused, Err(UploadError::Change(ChangeError::Exists))), "{refused:?}");
    let refused = store.begin(&name("a.mp4"), 1, NameTaken::Refuse, &idle());
    assert!(matches!(refused, Err(UploadError::Change(ChangeError::Exists))), "{refused:?}");
    assert_eq!(folder.video("a.mp4").as_deref(), Some(&b"old"[..]));
    fs::remove_file(folder.0.join("videos/a.mp4")).expect("removed");
    assert!(store.keep(id, &idle()).expect("kept now").is_some());
    assert_eq!(folder.video("a.mp4").as_deref(), Some(&b"n"[..]));
}

#[test]
fn a_file_is_replaced_only_when_it_does_not_play() {
    let folder = Folder::new("replace");
    let mut store = folder.store();
    fs::write(folder.0.join("videos/a.mp4"), "old").expect("a file");
    let mut playing = idle();
    playing.playout.file = Some(name("a.mp4"));
    let refused = store.begin(&name("a.mp4"), 3, NameTaken::Replace, &playing);
    assert!(matches!(refused, Err(UploadError::Change(ChangeError::InUse))), "{refused:?}");
    let id = store.begin(&name("a.mp4"), 3, NameTaken::Replace, &idle()).expect("begun").id;
    store.write(id, 0, b"new").expect("written");
    let refused = store.keep(id, &playing);
    assert!(matches!(refused, Err(UploadError::Change(ChangeError::InUse))), "{refused:?}");
    assert_eq!(folder.video("a.mp4").as_deref(), Some(&b"old"[..]));
    assert!(store.keep(id, &idle()).expect("kept").is_some());
    assert_eq!(folder.video("a.mp4").as_deref(), Some(&b"new"[..]));
}

#[test]
fn sizes_have_their_bounds_and_uploads_their_number() {
    let folder = Folder::new("bounds");
    let mut store = folder.store();
    let mut refused = |size| store.begin(&name("a"), size, NameTaken::Refuse, &idle());
    assert!(matches!(refused(0), Err(UploadError::Empty)));
    assert!(matches!(refused(UPLOAD_BYTES_MAX + 1), Err(UploadError::TooLarge)));
    assert!(matches!(refused(u64::MAX), Err(UploadError::TooLarge)));
    for n in 0..UPLOADS_KNOWN_MAX {
        begin(&mut store, &format!("{n}.mp4"), 1);
    }
    let refused = store.begin(&name("more"), 1, NameTaken::Refuse, &idle());
    assert!(matches!(refused, Err(UploadError::Full)), "{refused:?}");
    let first = store.known()[0].id;
    store.give_up(first).expect("given up");
    begin(&mut store, "more", 1);
    assert_eq!(folder.litter(), 2 * UPLOADS_KNOWN_MAX);
}

#[test]
fn a_disk_without_room_refuses_before_the_first_byte() {
    let folder = Folder::new("room");
    let mut store = folder.store_on(Box::new(|_| Ok(UPLOAD_RESERVE_BYTES + 10)));
    let refused = store.begin(&name("a"), 11, NameTaken::Refuse, &idle());
    let is_full = |error| matches!(error, Err(UploadError::DiskFull { missing: 1, offset: None }));
    assert!(is_full(refused));
    assert_eq!(folder.litter(), 0);
    begin(&mut store, "b", 7);
    // What the first still lacks is not given away twice.
    assert!(is_full(store.begin(&name("a"), 4, NameTaken::Refuse, &idle())));
    begin(&mut store, "c", 3);
}

#[test]
fn a_disk_that_fills_meanwhile_keeps_what_is_there() {
    let folder = Folder::new("fills");
    let free = Arc::new(AtomicU64::new(u64::MAX));
    let told = Arc::clone(&free);
    let mut store = folder.store_on(Box::new(move |_| Ok(told.load(Ordering::Relaxed))));
    let id = begin(&mut store, "a", 6);
    store.write(id, 0, b"abc").expect("written");
    free.store(UPLOAD_RESERVE_BYTES + 1, Ordering::Relaxed);
    let full = store.write(id, 3, b"def");
    let expected = |error: &Result<u64, UploadError>| {
        matches!(error, Err(UploadError::DiskFull { missing: 2, offset: Some(3) }))
    };
    assert!(expected(&full), "{full:?}");
    free.store(u64::MAX, Ordering::Relaxed);
    assert_eq!(store.write(id, 3, b"def").expect("written"), 6);
}

#[test]
fn the_disks_own_refusal_of_room_is_a_full_disk() {
    let folder = Folder::new("errno");
    let store = folder.store();
    for errno in [28, 122, 27] {
        let refused = store.refusal(io::Error::from_raw_os_error(errno), 5, Some(1));
        let is_full = matches!(refused, UploadError::DiskFull { missing: 5, offset: Some(1) });
        assert!(is_full, "{errno}: {refused:?}");
    }
    let refused = store.refusal(io::Error::from_raw_os_error(5), 5, Some(1));
    assert!(matches!(refused, UploadError::Change(ChangeError::Disk(_))), "{refused:?}");
}

#[test]
fn an_upload_without_a_byte_for_a_day_goes_unless_it_comes_in() {
    let folder = Folder::new("old");
    let mut store = folder.store();
    let (old, active) = (begin(&mut store, "old", 1), begin(&mut store, "active", 1));
    let begun = store.known()[0].modified;
    let day = Utc(begun.0 + UPLOAD_KEPT_MS_MAX);
    assert_eq!(store.sweep(day, |_| false).len(), 0, "a day is not over");
    let late = Utc(day.0 + 1);
    let gone = store.sweep(late, |id| id == active);
    assert_eq!(gone.iter().map(|upload| upload.id).collect::<Vec<_>>(), [old]);
    assert_eq!(folder.litter(), 2);
    let late = Utc(late.0 + UPLOAD_KEPT_MS_MAX);
    assert_eq!(store.sweep(late, |_| false).len(), 1);
    assert_eq!(folder.litter(), 0);
}
