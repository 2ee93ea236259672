/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peak of a handshake's heap is the check of an RSA signature, and there the division that prepares
 * Montgomery's multiplication: mbedTLS divides a number of twice the modulus' length and needs seven such
 * numbers for it, 2,500 bytes for RSA-2048. mbedTLS calls this in its place (see CMakeLists.txt), which doubles
 * and squares where the result lies, with one number of twice the length beside it.
 */
/* It works in mbedTLS's numbers. */
#define MBEDTLS_ALLOW_PRIVATE_ACCESS

#include <bignum_core.h>
#include <mbedtls/bignum.h>
#include <mbedtls/platform.h>
#include <mbedtls/platform_util.h>

#define LIMB_BITS (8 * sizeof(mbedtls_mpi_uint))
/* A square takes as long as some fifty doublings of RSA-2048. */
#define MOST_DOUBLINGS 64

int azure_mpi_core_get_mont_r2(mbedtls_mpi *square, const mbedtls_mpi *modulus);

/* It is a private function of mbedTLS: another version of it must not be replaced unseen. */
_Static_assert(__builtin_types_compatible_p(__typeof__(mbedtls_mpi_core_get_mont_r2_unsafe),
					    __typeof__(azure_mpi_core_get_mont_r2)),
	       "mbedTLS has changed this function: set CONFIG_AZURE_TLS_LOW_PEAK=n");

/* x = 2 * x mod n, for x < n */
static void double_mod(mbedtls_mpi_uint *x, const mbedtls_mpi_uint *n, size_t limbs)
{
	mbedtls_mpi_uint carry = 0;

	for (size_t i = 0; i < limbs; i++) {
		mbedtls_mpi_uint high = x[i] >> (LIMB_BITS - 1);

		x[i] = x[i] << 1 | carry;
		carry = high;
	}
	/* Below n already, unless a bit was carried out: n is added back. */
	(void)mbedtls_mpi_core_add_if(x, n, limbs, mbedtls_mpi_core_sub(x, x, n, limbs) & ~carry & 1);
}

/*
 * square = R * R mod modulus, with R = 2 to the number of bits in the modulus' limbs.
 *
 * A doubling adds 1 to the exponent of 2 in R * 2^e, and Montgomery's square of it, R * 2^(2 * e), doubles the
 * exponent. It is to become that of R: as far as some dozens by doubling, on by squaring.
 */
int azure_mpi_core_get_mont_r2(mbedtls_mpi *square, const mbedtls_mpi *modulus)
{
	const size_t limbs = modulus->n, exponent = limbs * LIMB_BITS;
	const mbedtls_mpi_uint *n = modulus->p;
	mbedtls_mpi_uint *product;
	size_t bits, squarings = 0;
	int result;

	if (mbedtls_mpi_cmp_int(modulus, 1) <= 0 || mbedtls_mpi_get_bit(modulus, 0) == 0) {
		return mbedtls_mpi_core_get_mont_r2_unsafe(square, modulus);
	}
	bits = mbedtls_mpi_bitlen(modulus);
	while (exponent >> squarings >= MOST_DOUBLINGS) {
		squarings++;
	}
	result = mbedtls_mpi_lset(square, 0);
	if (result == 0) {
		result = mbedtls_mpi_shrink(square, limbs);
	}
	if (result == 0) {
		/* Below the modulus; doubled to R, and on. */
		result = mbedtls_mpi_set_bit(square, bits - 1, 1);
	}
	product = mbedtls_calloc(2 * limbs + 1, sizeof(*product));
	if (product == NULL || result != 0) {
		mbedtls_free(product);
		return MBEDTLS_ERR_MPI_ALLOC_FAILED;
	}
	for (size_t doublings = exponent - (bits - 1) + (exponent >> squarings); doublings > 0; doublings--) {
		double_mod(square->p, n, limbs);
	}
	while (squarings-- > 0) {
		mbedtls_mpi_core_montmul(square->p, square->p, square->p, limbs, n, limbs,
					 mbedtls_mpi_core_montmul_init(n), product);
		if ((exponent >> squarings & 1) != 0) {
			double_mod(square->p, n, limbs);
		}
	}
	/* The modulus can be a prime of a private key. */
	mbedtls_platform_zeroize(product, (2 * limbs + 1) * sizeof(*product));
	mbedtls_free(product);
	return 0;
}
