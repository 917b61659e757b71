//! Pages that carry a checksum, and are compared with it whenever they are read.
//!
//! SQLite reads and writes a database through a VFS. The one here stands before the system's: it
//! puts a checksum into the last eight bytes of each page of a corpus that is written, which the
//! file's header reserves, and refuses a page whose bytes do not agree with it. Texts, vectors,
//! indexes, the index of words and the tables of topics are all kept in pages, so that nothing of
//! them is read changed. SQLite has a checksum VFS of its own (<https://sqlite.org/cksumvfs.html>,
//! of which this takes the eight bytes and the place), but bundles do not contain it, it gives up
//! memory-mapped reading, and its sum of a page of zeros is zero.
//!
//! The sum is XXH3 with the page's number as the seed: a page that stands in the place of another
//! is found as well. Pages in the log (`-wal`) have SQLite's own checksums until they are moved.
//!
//! A VFS is a table of C functions, and so this module is one of the few with unsafe code.
#![allow(unsafe_code, reason = "SQLite takes a VFS as a table of C functions")]

use rusqlite::{Connection, ffi};
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_int, c_void};
use std::sync::OnceLock;
use twox_hash::XxHash3_64;

/// The bytes of a page that hold its checksum.
const RESERVED: usize = 8;
/// Where the header says how many bytes of each page are reserved.
const RESERVED_AT: usize = 20;
/// The byte that SQLite locks. The page that holds it is never written nor used.
const LOCKED: u64 = 0x4000_0000;
/// The header: the first bytes of the first page.
const HEADER: usize = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";
const NAME: &CStr = c"nearwise-sealed";

thread_local! {
    /// The page that failed last on this thread, for the message.
    static FAILED: Cell<Option<u64>> = const { Cell::new(None) };
    /// Where a page that is written gets its checksum.
    static PAGE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The number of the page that failed last on this thread, told once.
pub(super) fn failed_page() -> Option<u64> {
    FAILED.take()
}

/// The name of the VFS, under which it was registered with SQLite; an error where the system has
/// no VFS at all.
pub(super) fn vfs() -> rusqlite::Result<&'static CStr> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let done = REGISTERED.get_or_init(|| {
        // SAFETY: a null name asks for the default VFS; what is found lives as long as the process.
        let Some(real) = (unsafe { ffi::sqlite3_vfs_find(std::ptr::null()).as_ref() }) else {
            return false;
        };
        // The default's functions, which work on the default's data, all but the one that opens.
        let vfs = ffi::sqlite3_vfs {
            szOsFile: real_at() as c_int + real.szOsFile,
            zName: NAME.as_ptr(),
            xOpen: Some(open),
            pNext: std::ptr::null_mut(),
            ..*real
        };
        // SAFETY: the table is never freed, and its fields are those of a VFS that works.
        unsafe { ffi::sqlite3_vfs_register(Box::leak(Box::new(vfs)), 0) == ffi::SQLITE_OK }
    });
    if *done {
        Ok(NAME)
    } else {
        Err(rusqlite::Error::SqliteFailure(
            ffi::Error::new(ffi::SQLITE_ERROR),
            Some("SQLite has no file system".to_string()),
        ))
    }
}

/// Asks that a database that has no page yet, or the next VACUUM, leaves room for checksums.
pub(super) fn reserve(c: &Connection) -> rusqlite::Result<()> {
    control(c, RESERVED as c_int).map(|_| ())
}

/// Whether the pages of a database that was read from carry checksums.
pub(super) fn is_sealed(c: &Connection) -> rusqlite::Result<bool> {
    Ok(control(c, -1)? == RESERVED as c_int)
}

/// Sets how many bytes of a page are reserved, unless negative; how many they were.
fn control(c: &Connection, bytes: c_int) -> rusqlite::Result<c_int> {
    let mut bytes = bytes;
    // SAFETY: the handle is open while `c` lives, and this operation reads and writes one int.
    let rc = unsafe {
        ffi::sqlite3_file_control(
            c.handle(),
            c"main".as_ptr(),
            ffi::SQLITE_FCNTL_RESERVE_BYTES,
            (&raw mut bytes).cast(),
        )
    };
    if rc == ffi::SQLITE_OK {
        Ok(bytes)
    } else {
        Err(rusqlite::Error::SqliteFailure(ffi::Error::new(rc), None))
    }
}

/// A page that does not agree with its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unlike {
    /// It has none: the last bytes are zeros, and others are not. A program that knows nothing of
    /// checksums wrote it.
    Unsealed,
    /// It has that of another content.
    Damaged,
}

/// The open file of a connection, below this VFS where it uses that.
struct Raw<'a> {
    file: *mut ffi::sqlite3_file,
    methods: &'static ffi::sqlite3_io_methods,
    /// Bytes of a page.
    page: usize,
    /// Bytes of the file.
    size: u64,
    /// The file is open while this lives.
    _connection: &'a Connection,
}

fn refused<T>(rc: c_int) -> rusqlite::Result<T> {
    Err(rusqlite::Error::SqliteFailure(ffi::Error::new(rc), None))
}

impl<'a> Raw<'a> {
    /// Fails where the header does not say that the pages have checksums.
    fn of(c: &'a Connection) -> rusqlite::Result<Self> {
        let mut file: *mut ffi::sqlite3_file = std::ptr::null_mut();
        // SAFETY: the handle is open while `c` lives, and this operation writes one pointer.
        let rc = unsafe {
            ffi::sqlite3_file_control(
                c.handle(),
                c"main".as_ptr(),
                ffi::SQLITE_FCNTL_FILE_POINTER,
                (&raw mut file).cast(),
            )
        };
        if rc != ffi::SQLITE_OK {
            return refused(rc);
        }
        // SAFETY: `file` is what SQLite has open. With one of the two tables of `open` it is ours, and
        // else it is the system's, whose table is a constant as well and null where nothing is open.
        let below = unsafe {
            match ours(file) {
                Some(ours) => Some((ours.real(), ours.methods())),
                None => file
                    .as_ref()
                    .and_then(|plain| plain.pMethods.as_ref())
                    .map(|methods| (file, methods)),
            }
        };
        let Some((file, methods)) = below else {
            return refused(ffi::SQLITE_MISUSE);
        };
        let mut raw = Self {
            file,
            methods,
            page: 0,
            size: 0,
            _connection: c,
        };
        let mut size = 0_i64;
        // SAFETY: the file is open, and the pointer is to a local.
        let rc = unsafe { methods.xFileSize.map(|f| f(file, &raw mut size)) };
        if rc != Some(ffi::SQLITE_OK) {
            return refused(rc.unwrap_or(ffi::SQLITE_MISUSE));
        }
        let mut header = [0_u8; HEADER];
        let mut state = State::default();
        if raw.read(&mut header, 0) {
            state.learn(&header);
        }
        if state.page == 0 {
            return refused(ffi::SQLITE_IOERR_DATA);
        }
        (raw.page, raw.size) = (state.page, size as u64);
        Ok(raw)
    }

    /// Whether all of it could be read.
    fn read(&self, into: &mut [u8], at: u64) -> bool {
        // SAFETY: the file is open, and `into` has room for as many bytes as are asked for.
        let rc = unsafe {
            self.methods.xRead.map(|f| {
                let bytes = into.len() as c_int;
                f(self.file, into.as_mut_ptr().cast(), bytes, at as i64)
            })
        };
        rc == Some(ffi::SQLITE_OK)
    }

    /// The page's place in the file.
    fn at(&self, number: u64) -> u64 {
        (number - 1) * self.page as u64
    }

    /// How a page, which is read into `bytes`, disagrees with its checksum.
    fn look(&self, number: u64, bytes: &mut [u8]) -> Option<Unlike> {
        if !self.read(bytes, self.at(number)) {
            return Some(Unlike::Damaged);
        }
        if agrees(bytes, number) {
            return None;
        }
        let (content, stored) = bytes.split_at(bytes.len() - RESERVED);
        let zero = |part: &[u8]| part.iter().all(|&byte| byte == 0);
        if zero(stored) && !zero(content) {
            Some(Unlike::Unsealed)
        } else {
            Some(Unlike::Damaged)
        }
    }
}

/// Reads every page of the file, of a connection with this VFS or without, and passes the numbers of
/// those that do not agree with their checksums to `unlike`; `keep_on` is asked every 1,000 pages.
/// How many there are.
pub(super) fn verify(
    c: &Connection,
    mut unlike: impl FnMut(u64, Unlike),
    mut keep_on: impl FnMut(u64, u64) -> bool,
) -> rusqlite::Result<u64> {
    let raw = Raw::of(c)?;
    let pages = raw.size.div_ceil(raw.page as u64);
    let mut bytes = vec![0_u8; raw.page];
    for number in written(raw.size, raw.page as u64) {
        if number.is_multiple_of(1000) && !keep_on(number, pages) {
            break;
        }
        // Whoever moves the log into the file may be at this page just now.
        let mut look = || raw.look(number, &mut bytes);
        if let Some(how) = look().and_then(|_| look()).and_then(|_| look()) {
            unlike(number, how);
        }
    }
    Ok(pages)
}

/// Gives these pages the checksums of what they hold. `c` does not use this VFS, and nobody else has
/// the file open. Killed on the way, it leaves some with and some without.
pub(super) fn seal_anew(c: &Connection, pages: &[u64]) -> rusqlite::Result<()> {
    let raw = Raw::of(c)?;
    let mut bytes = vec![0_u8; raw.page];
    for &number in pages {
        if raw.look(number, &mut bytes) != Some(Unlike::Unsealed) {
            return refused(ffi::SQLITE_BUSY);
        }
        let end = raw.page - RESERVED;
        let sum = sum(&bytes[..end], number);
        bytes[end..].copy_from_slice(&sum);
        let at = raw.at(number) as i64;
        // SAFETY: the file is open to write, and `bytes` holds as many bytes as are written.
        let rc = unsafe {
            raw.methods
                .xWrite
                .map(|f| f(raw.file, bytes.as_ptr().cast(), raw.page as c_int, at))
        };
        if rc != Some(ffi::SQLITE_OK) {
            return refused(rc.unwrap_or(ffi::SQLITE_MISUSE));
        }
    }
    // SAFETY: the file is open.
    let rc = unsafe {
        raw.methods
            .xSync
            .map(|f| f(raw.file, ffi::SQLITE_SYNC_FULL))
    };
    match rc {
        Some(ffi::SQLITE_OK) => Ok(()),
        rc => refused(rc.unwrap_or(ffi::SQLITE_MISUSE)),
    }
}

/// The numbers of the pages of a file that were written, of which the last may be cut short; both
/// sizes are in bytes.
fn written(size: u64, page: u64) -> impl Iterator<Item = u64> {
    (1..=size.div_ceil(page)).filter(move |&number| number != LOCKED / page + 1)
}

fn sum(content: &[u8], number: u64) -> [u8; RESERVED] {
    XxHash3_64::oneshot_with_seed(number, content).to_le_bytes()
}

fn agrees(page: &[u8], number: u64) -> bool {
    let (content, stored) = page.split_at(page.len() - RESERVED);
    sum(content, number) == *stored
}

/// What is known of an open file.
#[derive(Default)]
struct State {
    /// Bytes of a page; 0 where pages have no checksums.
    page: usize,
    /// Pages that were compared since the file was opened, a bit each. Only for those that are
    /// mapped into memory, which are asked for again and again.
    seen: Vec<u64>,
}

impl State {
    /// Takes the size of pages, and whether they have checksums, from the header.
    fn learn(&mut self, header: &[u8]) {
        let sealed =
            header.starts_with(MAGIC) && header.get(RESERVED_AT).copied() == Some(RESERVED as u8);
        let size = match header.get(16..18) {
            Some(&[high, low]) => usize::from(high) << 8 | usize::from(low),
            _ => 0,
        };
        // 65,536 does not fit, and is written as 1.
        let size = if size == 1 { 1 << 16 } else { size };
        self.page = if sealed && size >= 512 { size } else { 0 };
    }

    /// The number of the page that these bytes are, if they are a page with a checksum.
    fn number(&self, bytes: usize, at: i64) -> Option<u64> {
        let at = u64::try_from(at).ok()?;
        let whole = self.page > 0 && bytes == self.page && at.is_multiple_of(bytes as u64);
        whole.then(|| at / bytes as u64 + 1)
    }

    fn was_seen(&self, number: u64) -> bool {
        let word = self.seen.get((number / 64) as usize).copied();
        word.unwrap_or(0) & (1 << (number % 64)) != 0
    }

    fn see(&mut self, number: u64) {
        let word = (number / 64) as usize;
        if word >= self.seen.len() {
            self.seen.resize(word + 1, 0);
        }
        self.seen[word] |= 1 << (number % 64);
    }
}

/// A file as SQLite has it: the table of functions, what is known of it, and behind them the file
/// of the VFS below.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    state: *mut State,
}

/// Where the file of the VFS below begins: behind ours, aligned as SQLite aligns files.
const fn real_at() -> usize {
    size_of::<File>().next_multiple_of(16)
}

/// The file as ours; `None` where it is not one of this VFS.
///
/// # Safety
/// `file` is null or a file that SQLite has open; nobody else uses it meanwhile.
unsafe fn ours<'a>(file: *mut ffi::sqlite3_file) -> Option<&'a mut File> {
    // SAFETY: by the contract above; only files with one of these tables were made by `open`.
    unsafe {
        let methods = file.as_ref()?.pMethods;
        let of_ours = std::ptr::eq(methods, &raw const WITH_LOG)
            || std::ptr::eq(methods, &raw const WITHOUT_LOG);
        if of_ours {
            file.cast::<File>().as_mut()
        } else {
            None
        }
    }
}

impl File {
    fn real(&mut self) -> *mut ffi::sqlite3_file {
        // SAFETY: `szOsFile` made room for the file below behind this one.
        unsafe { (&raw mut *self).cast::<u8>().add(real_at()).cast() }
    }

    fn methods(&mut self) -> &'static ffi::sqlite3_io_methods {
        // SAFETY: the file below was opened, so that its table is there; tables are constants.
        unsafe { &*(*self.real()).pMethods }
    }

    fn state(&mut self) -> &mut State {
        // SAFETY: made by `open` and freed by `close`; a file belongs to one connection, which one
        // thread uses at a time.
        unsafe { &mut *self.state }
    }
}

/// Runs a function of the file below, if it has it.
macro_rules! below {
    ($file:ident . $method:ident ( $($argument:expr),* ) else $otherwise:expr) => {{
        // SAFETY: SQLite calls these functions only with files that `open` opened, and passes
        // arguments as the function below takes them.
        unsafe {
            let file = &mut *$file.cast::<File>();
            match file.methods().$method {
                Some(f) => f(file.real() $(, $argument)*),
                None => $otherwise,
            }
        }
    }};
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives `szOsFile` bytes at `file`, which hold ours and the one below; the
    // default VFS lives as long as the process.
    unsafe {
        let real = ffi::sqlite3_vfs_find(std::ptr::null());
        let Some(real_open) = real.as_ref().and_then(|r| r.xOpen) else {
            return ffi::SQLITE_CANTOPEN;
        };
        if flags & ffi::SQLITE_OPEN_MAIN_DB == 0 {
            // Logs and temporary files are the default's own.
            return real_open(real, name, file, flags, out);
        }
        let ours = file.cast::<File>();
        (*ours).base.pMethods = std::ptr::null();
        let below = file.cast::<u8>().add(real_at()).cast::<ffi::sqlite3_file>();
        (*below).pMethods = std::ptr::null();
        let rc = real_open(real, name, below, flags, out);
        if rc != ffi::SQLITE_OK {
            if let Some(close) = (*below).pMethods.as_ref().and_then(|m| m.xClose) {
                close(below);
            }
            return rc;
        }
        let methods = &*(*below).pMethods;
        let all = methods.iVersion >= 3 && methods.xShmMap.is_some();
        (*ours).state = Box::into_raw(Box::default());
        (*ours).base.pMethods = if all {
            &raw const WITH_LOG
        } else {
            &raw const WITHOUT_LOG
        };
        ffi::SQLITE_OK
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    let rc = below!(file.xClose() else ffi::SQLITE_OK);
    // SAFETY: made by `open`; SQLite closes a file once and does not use it afterwards.
    unsafe {
        let ours = &mut *file.cast::<File>();
        drop(Box::from_raw(ours.state));
        ours.base.pMethods = std::ptr::null();
    }
    rc
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    into: *mut c_void,
    bytes: c_int,
    at: i64,
) -> c_int {
    let rc = below!(file.xRead(into, bytes, at) else ffi::SQLITE_IOERR_READ);
    if rc == ffi::SQLITE_IOERR_SHORT_READ {
        // SQLite takes what is missing for zeros. Behind the end of the file that is right, but a
        // page that is there in part was cut.
        let mut size = 0_i64;
        let known = below!(file.xFileSize(&raw mut size) else ffi::SQLITE_IOERR_FSTAT);
        // SAFETY: the file is one of ours.
        let state = unsafe { (*file.cast::<File>()).state() };
        if let Some(number) = state.number(bytes as usize, at)
            && known == ffi::SQLITE_OK
            && size > at
        {
            FAILED.set(Some(number));
            return ffi::SQLITE_IOERR_DATA;
        }
    }
    if rc != ffi::SQLITE_OK {
        return rc;
    }
    // SAFETY: `bytes` bytes were just written there, and are SQLite's buffer, which nobody else uses
    // meanwhile; the file is one of ours.
    let (page, ours) = unsafe {
        let page = std::slice::from_raw_parts_mut(into.cast::<u8>(), bytes as usize);
        (page, &mut *file.cast::<File>())
    };
    let state = ours.state();
    if at == 0 && page.len() >= HEADER {
        state.learn(page);
    }
    match state.number(page.len(), at) {
        Some(number) if !agrees(page, number) => {
            FAILED.set(Some(number));
            ffi::SQLITE_IOERR_DATA
        }
        // SQLite keeps what is reserved as it read it. A page that it changes goes to the log, from
        // which another program may move it into the file: with zeros there it is told from one that
        // is damaged.
        Some(_) => {
            let end = page.len() - RESERVED;
            page[end..].fill(0);
            rc
        }
        None => rc,
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    bytes: c_int,
    at: i64,
) -> c_int {
    // SAFETY: SQLite passes `bytes` bytes; the file is one of ours.
    let (page, ours) = unsafe {
        let page = std::slice::from_raw_parts(from.cast::<u8>(), bytes as usize);
        (page, &mut *file.cast::<File>())
    };
    if at == 0 && page.len() >= HEADER {
        ours.state().learn(page);
    } else if ours.state().page == 0 {
        // Another connection may have given the file checksums since it was opened here.
        let mut header = [0_u8; HEADER];
        let into = header.as_mut_ptr().cast();
        if below!(file.xRead(into, HEADER as c_int, 0) else ffi::SQLITE_IOERR_READ)
            == ffi::SQLITE_OK
        {
            ours.state().learn(&header);
        }
    }
    let Some(number) = ours.state().number(page.len(), at) else {
        return below!(file.xWrite(from, bytes, at) else ffi::SQLITE_IOERR_WRITE);
    };
    PAGE.with_borrow_mut(|copy| {
        copy.clear();
        copy.extend_from_slice(&page[..page.len() - RESERVED]);
        let sum = sum(copy, number);
        copy.extend_from_slice(&sum);
        below!(file.xWrite(copy.as_ptr().cast(), bytes, at) else ffi::SQLITE_IOERR_WRITE)
    })
}

unsafe extern "C" fn fetch(
    file: *mut ffi::sqlite3_file,
    at: i64,
    bytes: c_int,
    out: *mut *mut c_void,
) -> c_int {
    let rc = below!(file.xFetch(at, bytes, out) else ffi::SQLITE_IOERR_MMAP);
    // SAFETY: where the function below succeeds, `out` is null or points to `bytes` mapped bytes.
    let (page, ours) = unsafe {
        if rc != ffi::SQLITE_OK || (*out).is_null() {
            return rc;
        }
        let page = std::slice::from_raw_parts((*out).cast::<u8>(), bytes as usize);
        (page, &mut *file.cast::<File>())
    };
    let state = ours.state();
    let Some(number) = state.number(page.len(), at) else {
        return rc;
    };
    if state.was_seen(number) {
        return rc;
    }
    if agrees(page, number) {
        state.see(number);
        return rc;
    }
    // SQLite then reads the page, which fails in `read`.
    // SAFETY: `out` is SQLite's own pointer; the page is given back and not used again.
    let page = unsafe { std::mem::replace(&mut *out, std::ptr::null_mut()) };
    below!(file.xUnfetch(at, page) else ffi::SQLITE_OK)
}

unsafe extern "C" fn characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    // Parts of pages cannot be compared: SQLite is to read whole ones.
    below!(file.xDeviceCharacteristics() else 0) & !ffi::SQLITE_IOCAP_SUBPAGE_READ
}

/// A function that hands on to the one below.
macro_rules! hand_on {
    ($name:ident, $method:ident, ($($argument:ident: $type:ty),*), $otherwise:expr) => {
        unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file $(, $argument: $type)*) -> c_int {
            below!(file.$method($($argument),*) else $otherwise)
        }
    };
}

hand_on!(truncate, xTruncate, (size: i64), ffi::SQLITE_IOERR_TRUNCATE);
hand_on!(sync, xSync, (flags: c_int), ffi::SQLITE_OK);
hand_on!(file_size, xFileSize, (size: *mut i64), ffi::SQLITE_IOERR_FSTAT);
hand_on!(lock, xLock, (level: c_int), ffi::SQLITE_OK);
hand_on!(unlock, xUnlock, (level: c_int), ffi::SQLITE_OK);
hand_on!(is_reserved, xCheckReservedLock, (out: *mut c_int), ffi::SQLITE_OK);
hand_on!(file_control, xFileControl, (what: c_int, data: *mut c_void), ffi::SQLITE_NOTFOUND);
hand_on!(sector, xSectorSize, (), 0);
hand_on!(shm_map, xShmMap,
    (region: c_int, size: c_int, extend: c_int, out: *mut *mut c_void), ffi::SQLITE_IOERR_SHMMAP);
hand_on!(shm_lock, xShmLock, (first: c_int, n: c_int, flags: c_int), ffi::SQLITE_IOERR_SHMLOCK);
hand_on!(shm_unmap, xShmUnmap, (delete: c_int), ffi::SQLITE_OK);
hand_on!(unfetch, xUnfetch, (at: i64, page: *mut c_void), ffi::SQLITE_OK);

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    below!(file.xShmBarrier() else ());
}

static WITH_LOG: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 3,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(is_reserved),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: Some(fetch),
    xUnfetch: Some(unfetch),
};

/// For systems without shared memory between processes, and files read where nobody writes.
static WITHOUT_LOG: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 1,
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
    ..WITH_LOG
};

#[cfg(test)]
mod tests {
    use super::written;

    #[test]
    fn every_page_but_the_one_that_sqlite_locks_is_compared() {
        let giga = 1 << 30;
        for page in [512, 4096, 65_536] {
            let locked = giga / page + 1;
            let all = || written(giga + 3 * page, page);
            assert_eq!(all().count() as u64, giga / page + 2);
            assert!(all().all(|number| number != locked));
            assert!(all().any(|number| number == locked - 1));
            assert!(all().any(|number| number == locked + 1));
        }
        assert_eq!(written(3 * 4096, 4096).collect::<Vec<_>>(), [1, 2, 3]);
        // A page that is there in part.
        assert_eq!(written(2 * 4096 + 1, 4096).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(written(0, 4096).count(), 0);
    }
}
