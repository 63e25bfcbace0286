//! Header compression of HTTP/2 (HPACK, RFC 7541), as far as the benchmark needs it.

/// Encoding of a credential on the wire.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// No credential.
    None,
    /// In full with each call, uncompressed.
    Plain(&'a str),
    /// In full with each call, in Huffman code.
    Packed(&'a str),
    /// In full with the first call, as an index into the dynamic table with all others.
    Remembered(&'a str),
}

// Indexes of the static table.
const AUTHORITY: u8 = 1;
const POST: u8 = 3;
const PATH: u8 = 4;
const HTTP: u8 = 6;
const AUTHORIZATION: u8 = 23;
const CONTENT_TYPE: u8 = 31;
const USER_AGENT: u8 = 58;
/// Index of the newest entry of the dynamic table.
const NEWEST: u8 = 62;

// Prefixes of header representations.
const INDEXED: u8 = 0x80;
const REMEMBER: u8 = 0x40;
const PACKED: u8 = 0x80;

/// The Huffman codes that credentials need. The codes of one length are consecutive, in the order of the letters:
/// length, first code, letters.
const CODES: [(u32, u64, &str); 4] = [
    (5, 0x0, "012aceiost"),
    (6, 0x14, " %-./3456789=A_bdfghlmnpru"),
    (7, 0x5c, ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"),
    (8, 0xf8, "&*,;XZ"),
];

/// Returns the headers of a call: the first on its connection, which fills the server's dynamic table, or a later one.
pub fn block(address: &str, path: &str, credential: Credential<'_>, first: bool) -> Vec<u8> {
    let bearer = match credential {
        Credential::None => String::new(),
        Credential::Plain(token) | Credential::Packed(token) | Credential::Remembered(token) => {
            format!("Bearer {token}")
        }
    };
    // Paths are not indexed, as in the Rust client.
    let mut block = vec![INDEXED | POST, INDEXED | HTTP, PATH];
    text(&mut block, 0, path.as_bytes());
    let mut remembered =
        vec![(AUTHORITY, address), (CONTENT_TYPE, "application/grpc"), (USER_AGENT, "bench"), (0, "trailers")];
    if matches!(credential, Credential::Remembered(_)) {
        remembered.push((AUTHORIZATION, &bearer));
    }
    for (name, number) in remembered.iter().zip((NEWEST..NEWEST + remembered.len() as u8).rev()) {
        match *name {
            _ if !first => block.push(INDEXED | number),
            (name, value) => {
                block.push(REMEMBER | name);
                if name == 0 {
                    text(&mut block, 0, b"te");
                }
                text(&mut block, 0, value.as_bytes());
            }
        }
    }
    if matches!(credential, Credential::Plain(_) | Credential::Packed(_)) {
        // The index of a name that is not added to the table has a prefix of four bits: all ones, followed by the
        // rest.
        block.extend([15, AUTHORIZATION - 15]);
        match credential {
            Credential::Packed(_) => text(&mut block, PACKED, &packed(&bearer)),
            _ => text(&mut block, 0, bearer.as_bytes()),
        }
    }
    block
}

/// Appends a text after its length, which has seven bits in the first byte.
fn text(block: &mut Vec<u8>, how: u8, text: &[u8]) {
    match text.len().checked_sub(127) {
        None => block.push(how | text.len() as u8),
        Some(mut left) => {
            block.push(how | 127);
            while left >= 128 {
                block.push(128 | (left % 128) as u8);
                left /= 128;
            }
            block.push(left as u8);
        }
    }
    block.extend_from_slice(text);
}

fn packed(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u64, 0);
    let mut put = |code: u64, length: u32| {
        bits = bits << length | code;
        count += length;
        while count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
        count
    };
    let mut over = 0;
    for letter in text.chars() {
        let found = CODES
            .iter()
            .find_map(|(length, least, letters)| letters.find(letter).map(|place| (least + place as u64, *length)));
        let (code, length) = found.expect("a credential is Base64, points and a space");
        over = put(code, length);
    }
    // Padding of the last byte is ones.
    if over > 0 {
        put((1 << (8 - over)) - 1, 8 - over);
    }
    bytes
}
