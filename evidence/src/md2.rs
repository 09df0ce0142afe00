//! MD2 (RFC 1319), for one thing only: App Control names old roots by the MD2 of their signed part. Nothing is verified with it.

/// A permutation of the bytes made from the digits of pi. RFC 1319, section 3.2.
#[rustfmt::skip]
const PI: [u8; 256] = [
    41, 46, 67, 201, 162, 216, 124, 1, 61, 54, 84, 161, 236, 240, 6, 19, 98, 167, 5, 243, 192, 199, 115, 140, 152, 147, 43, 217, 188,
    76, 130, 202, 30, 155, 87, 60, 253, 212, 224, 22, 103, 66, 111, 24, 138, 23, 229, 18, 190, 78, 196, 214, 218, 158, 222, 73, 160,
    251, 245, 142, 187, 47, 238, 122, 169, 104, 121, 145, 21, 178, 7, 63, 148, 194, 16, 137, 11, 34, 95, 33, 128, 127, 93, 154, 90,
    144, 50, 39, 53, 62, 204, 231, 191, 247, 151, 3, 255, 25, 48, 179, 72, 165, 181, 209, 215, 94, 146, 42, 172, 86, 170, 198, 79,
    184, 56, 210, 150, 164, 125, 182, 118, 252, 107, 226, 156, 116, 4, 241, 69, 157, 112, 89, 100, 113, 135, 32, 134, 91, 207, 101,
    230, 45, 168, 2, 27, 96, 37, 173, 174, 176, 185, 246, 28, 70, 97, 105, 52, 64, 126, 15, 85, 71, 163, 35, 221, 81, 175, 58, 195,
    92, 249, 206, 186, 197, 234, 38, 44, 83, 13, 110, 133, 40, 132, 9, 211, 223, 205, 244, 65, 129, 77, 82, 106, 220, 55, 200, 108, 193,
    171, 250, 36, 225, 123, 8, 12, 189, 177, 74, 120, 136, 149, 139, 227, 99, 232, 109, 233, 203, 213, 254, 59, 0, 29, 57, 242, 239,
    183, 14, 102, 88, 208, 228, 166, 119, 114, 248, 235, 117, 75, 10, 49, 68, 80, 180, 143, 237, 31, 26, 219, 153, 141, 51, 159, 17,
    131, 20,
];

fn pi(byte: u8) -> u8 {
    PI.get(usize::from(byte)).copied().unwrap_or_default()
}

/// Bytes that may be hashed for one file: a certificate has some 500, and this is slow enough, at 13 MB/s, to be used against us.
const MOST: usize = 8 << 10;

/// What may still be hashed for one file.
#[derive(Debug)]
pub(crate) struct Allowance(usize);

impl Allowance {
    /// All of a file.
    pub(crate) const fn of_file() -> Self {
        Self(MOST)
    }

    /// The digest of `message`; `None` where too little is left for it.
    pub(crate) fn digest(&mut self, message: &[u8]) -> Option<[u8; 16]> {
        self.0 = self.0.checked_sub(message.len())?;
        Some(digest(message))
    }
}

/// The digest of `message`.
fn digest(message: &[u8]) -> [u8; 16] {
    let (blocks, rest) = message.as_chunks::<16>();
    // Always padded: by as many bytes as are missing, each of which says how many.
    let missing = u8::try_from(16_usize.saturating_sub(rest.len())).unwrap_or_default();
    let mut last = [missing; 16];
    crate::bytes::copy(&mut last, rest);
    let mut state = State::default();
    for block in blocks {
        state.take(block);
    }
    state.take(&last);
    let checksum = state.checksum;
    state.compress(&checksum);
    state.value
}

#[derive(Default)]
struct State {
    value: [u8; 16],
    checksum: [u8; 16],
}

impl State {
    fn take(&mut self, block: &[u8; 16]) {
        self.compress(block);
        let [.., mut last] = self.checksum;
        for (sum, byte) in self.checksum.iter_mut().zip(block) {
            *sum ^= pi(byte ^ last);
            last = *sum;
        }
    }

    fn compress(&mut self, block: &[u8; 16]) {
        let mut mixed = self.value;
        for (to, byte) in mixed.iter_mut().zip(block) {
            *to ^= byte;
        }
        let mut parts = [self.value, *block, mixed];
        let mut carry = 0_u8;
        for round in 0..18_u8 {
            for byte in parts.as_flattened_mut() {
                *byte ^= pi(carry);
                carry = *byte;
            }
            carry = carry.wrapping_add(round);
        }
        [self.value, _, _] = parts;
    }
}

#[cfg(test)]
mod tests {
    use super::digest;

    /// The test suite of RFC 1319.
    #[test]
    fn the_digests_of_the_standard_come_out() {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let digits = b"12345678901234567890123456789012345678901234567890123456789012345678901234567890";
        for (message, expected) in [
            (&b""[..], 0x8350_e5a3_e24c_153d_f227_5c9f_8069_2773_u128),
            (b"a", 0x32ec_01ec_4a6d_ac72_c0ab_96fb_34c0_b5d1),
            (b"abc", 0xda85_3b0d_3f88_d99b_3028_3a69_e6de_d6bb),
            (b"message digest", 0xab4f_496b_fb2a_530b_219f_f330_31fe_06b0),
            (alphabet, 0xda33_def2_a42d_f139_7535_2846_c303_38cd),
            (digits, 0xd597_6f79_d83d_3a0d_c980_6c3c_66f3_efd8),
        ] {
            assert_eq!(u128::from_be_bytes(digest(message)), expected);
        }
    }
}
