// Draws a digit by its label into a picture: draw exports/mnist 3 three.pgm
#include <onnxruntime_cxx_api.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <random>
#include <string>
#include <vector>

int main(int argc, char** argv) {
    if (argc != 4) return 1;
    std::int64_t label = std::stoll(argv[2]);  // a place in the list of classes
    float temperature = 0.8f;
    std::vector<float> uniforms(7 * 7);  // one for each code
    std::mt19937 random(0);
    for (float& uniform : uniforms) uniform = static_cast<float>(random() >> 8) / 16777216.0f;  // in [0, 1)

    Ort::Env env;
    Ort::Session session(env, (std::string(argv[1]) + "/generator.onnx").c_str(), Ort::SessionOptions{});
    auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    const std::array<std::int64_t, 2> shape{1, 7 * 7};
    const Ort::Value inputs[] = {
        Ort::Value::CreateTensor<float>(memory, uniforms.data(), uniforms.size(), shape.data(), 2),
        Ort::Value::CreateTensor<float>(memory, &temperature, 1, nullptr, 0),
        Ort::Value::CreateTensor<std::int64_t>(memory, &label, 1, shape.data(), 1)};
    const char* input_names[] = {"uniforms", "temperature", "labels"};
    const char* output_names[] = {"images"};
    auto outputs = session.Run(Ort::RunOptions{}, input_names, inputs, 3, output_names, 1);

    const float* pixels = outputs[0].GetTensorData<float>();  // (1, 28, 28, 1), values of 0 to 255
    std::ofstream picture(argv[3], std::ios::binary);
    picture << "P5 28 28 255\n";
    for (int i = 0; i < 28 * 28; ++i) picture.put(static_cast<char>(std::lround(pixels[i])));
}
