// Draws a digit by its label into a picture: dotnet run exports/mnist 3 three.pgm
// The project needs the package Microsoft.ML.OnnxRuntime.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

string folder = args[0], path = args[2];
var label = new DenseTensor<long>(new[] { long.Parse(args[1]) }, new[] { 1 }); // a place in the list of classes
var temperature = new DenseTensor<float>(new[] { 0.8f }, Array.Empty<int>());
var random = new Random(0);
float[] numbers = Enumerable.Range(0, 7 * 7).Select(_ => random.Next(1 << 24) / 16777216f).ToArray(); // in [0, 1)
var uniforms = new DenseTensor<float>(numbers, new[] { 1, 7 * 7 }); // one for each code

using var session = new InferenceSession(Path.Combine(folder, "generator.onnx"));
using var outputs = session.Run(new List<NamedOnnxValue>
{
    NamedOnnxValue.CreateFromTensor("uniforms", uniforms),
    NamedOnnxValue.CreateFromTensor("temperature", temperature),
    NamedOnnxValue.CreateFromTensor("labels", label),
});

Tensor<float> images = outputs.First().AsTensor<float>(); // (1, 28, 28, 1), values of 0 to 255
using var picture = File.Create(path);
picture.Write(Encoding.ASCII.GetBytes("P5 28 28 255\n"));
picture.Write(images.Select(value => (byte)Math.Round(value)).ToArray());
