// SPDX-FileCopyrightText: 2026 The Orthoplex authors
// SPDX-License-Identifier: Apache-2.0
#include <dnnl.hpp>
#include <omp.h>

#include "base/error.hpp"
#include "tensor/cpu/block_gemm.hpp"

namespace opx::tensor::cpu {
namespace {

// oneDNN starts a team of its own unless the calling thread's OpenMP limit is one. The limit belongs to the
// thread.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;
  ~OneThread() { omp_set_num_threads(before_); }

 private:
  int before_;
};

char letter(Transpose t) { return t == Transpose::kYes ? 'T' : 'N'; }

dnnl::memory::desc factor(Transpose t, MatrixView<const bfloat16> x) {
  const bool transposed = t == Transpose::kYes;
  const dnnl::memory::dims dims = {transposed ? x.cols : x.rows, transposed ? x.rows : x.cols};
  const dnnl::memory::dims strides = {transposed ? Index{1} : x.ld, transposed ? x.ld : Index{1}};
  return {dims, dnnl::memory::data_type::bf16, strides};
}

dnnl::primitive_attr scaling(float alpha, float beta) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (alpha != 1.0F) attributes.set_output_scales(0, {alpha});
  if (beta != 0.0F) {
    dnnl::post_ops sum;
    sum.append_sum(beta);
    attributes.set_post_ops(sum);
  }
  return attributes;
}

void run(const dnnl::engine& engine, const dnnl::matmul::primitive_desc& plan, MatrixView<const bfloat16> a,
         MatrixView<const bfloat16> b, MatrixView<float> c) {
  dnnl::stream stream(engine);
  const auto memory = [&](const dnnl::memory::desc& desc, const void* data) {
    return dnnl::memory(desc, engine, const_cast<void*>(data));
  };
  dnnl::matmul(plan).execute(stream, {{DNNL_ARG_SRC, memory(plan.src_desc(), a.data)},
                                      {DNNL_ARG_WEIGHTS, memory(plan.weights_desc(), b.data)},
                                      {DNNL_ARG_DST, memory(plan.dst_desc(), c.data)},
                                      {DNNL_ARG_SCRATCHPAD, dnnl::memory(plan.scratchpad_desc(), engine)}});
  stream.wait();
}

}  // namespace

void block_gemm(Transpose ta, Transpose tb, float alpha, MatrixView<const float> a, MatrixView<const float> b,
                float beta, MatrixView<float> c) {
  const OneThread one_thread;
  const Index k = ta == Transpose::kYes ? a.rows : a.cols;
  const dnnl_status_t status = dnnl_sgemm(letter(ta), letter(tb), c.rows, c.cols, k, alpha, a.data, a.ld,
                                          b.data, b.ld, beta, c.data, c.ld);
  OPX_REQUIRE(status != dnnl_out_of_memory, OutOfMemory, "oneDNN sgemm of {} x {} x {}: no memory", c.rows,
              c.cols, k);
  OPX_REQUIRE(status == dnnl_success, InternalError, "oneDNN sgemm of {} x {} x {}: status {}", c.rows,
              c.cols, k, static_cast<int>(status));
}

bool block_gemm(Transpose ta, Transpose tb, float alpha, MatrixView<const bfloat16> a,
                MatrixView<const bfloat16> b, float beta, MatrixView<float> c) {
  const OneThread one_thread;
  try {
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    const dnnl::memory::desc dst({c.rows, c.cols}, dnnl::memory::data_type::f32, dnnl::memory::dims{c.ld, 1});
    const dnnl::matmul::primitive_desc plan(dnnl::matmul::desc(factor(ta, a), factor(tb, b), dst),
                                            scaling(alpha, beta), engine);
    run(engine, plan, a, b, c);
    return true;
  } catch (const dnnl::error& e) {
    if (e.status == dnnl_unimplemented) return false;
    OPX_REQUIRE(e.status != dnnl_out_of_memory, OutOfMemory, "oneDNN bf16 matmul: no memory");
    throw base::InternalError(fmt::format("oneDNN bf16 matmul: {}", e.what()));
  }
}

}  // namespace opx::tensor::cpu
