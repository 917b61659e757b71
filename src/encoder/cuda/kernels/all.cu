// All kernels in one unit, so that one call of nvcc makes one file of machine code.
#include "attention.cu"
#include "near.cu"
#include "scan.cu"
#include "rows.cu"
